// Package diagnose finds the broken link of the chain from a pod's environment to its access token:
//
//	environment → token file → service account → OIDC issuer →
//	federated credential → access token → resource
//
// In a pod:
//
//	report := diagnose.Run(ctx, nil)
//	if report.Verdict != diagnose.OK {
//		fmt.Fprintln(os.Stderr, report)
//	}
//
// [Run] checks each link as far as it can from where it runs, signs in once, and attributes a
// refusal to the link at fault. The report marks each link and shows what was seen there. It ends
// with the verdict, the problem and the fix. In part:
//
//	✔  service account        the pod runs as shop/orders (<1ms)
//	✘  federated credential   failure (4ms)
//	    answer                401 invalid_client
//	–  access token           not reached: none was issued
//
//	Fix needed: federated credential.
//	    problem  no federated credential has the subject of service account "orders" in
//	             namespace "shop"
//	    fix      create a federated credential with issuer "https://oidc.example/", subject
//	             "system:serviceaccount:shop:orders", audience "api://AzureADTokenExchange"
//	             (doctor -emit az prints the command); it takes effect in a few minutes; or run
//	             the pod as the registered service account, in its namespace
//
// Package fmt prints a report like this, as do [Report.WriteText] and, without the details of
// links that work, [Report.WriteBrief]. A report marshals to JSON, and [Report.WriteHTML] writes a
// self-contained page.
//
// # When not to use it
//
// Use it in a debugging command, in a container next to the failing one, or behind a page for
// operators. It is not a health check: a run sends requests to Entra ID. For
// readiness probes, use [credential.Credential.Status], which sends nothing.
//
// Reports are for people, and for programs that show them to people. The names of links, marks and
// verdicts are constants; texts and facts change without notice. Programs that act on a refusal
// should branch on the fields of an exchange.Error.
//
// # Errors and secrets
//
// Run returns no error: failures are in the report. A report contains no secret, no token and no
// part of a token. It does contain IDs, names, paths and URLs.
//
// # Defaults and concurrency
//
// Without options, all settings come from the environment, as for [credential.New], and the token
// is for Azure Resource Manager. Each request takes at most 10 seconds; reading the federated token
// and the exchange take at most 30 seconds each. The context can end them sooner. Runs may be
// concurrent; they share nothing.
package diagnose
