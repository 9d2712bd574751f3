// Package diagnose finds out which link of the chain from a pod's environment to its access token is broken:
//
//	environment → token file → service account → OIDC issuer → federated credential → access token → resource
//
// In a pod:
//
//	report := diagnose.Run(ctx, nil)
//	if report.Verdict != diagnose.OK {
//		fmt.Fprintln(os.Stderr, report)
//	}
//
// [Run] looks at each link as far as it can be seen from here, signs in once, and attributes what Entra ID objects to to the link
// that is at fault. A report begins each link with a mark, and says of one that failed what is wrong, how to mend it, and what was
// seen (here in part):
//
//	✔  service account      the pod runs as shop/orders (<1ms)
//	    subject             system:serviceaccount:shop:orders
//	✘  federated credential failure (4ms)
//	    problem             no federated credential of client ID "11111111-2222-4333-8444-555555555555" has the
//	                        subject of service account "orders" in namespace "shop"
//	    fix                 register "system:serviceaccount:shop:orders" (az identity (or az ad app)
//	                        federated-credential update --subject), or set serviceAccountName; a change counts
//	                        after some minutes
//	–  access token         not reached: there is none
//
// It prints so by package fmt and by [Report.WriteText], marshals to JSON, and makes an HTML page that needs nothing else
// ([Report.WriteHTML]).
//
// # When not to use it
//
// It is meant for a debugging command, a container beside the one that fails, or a page for operators. It is no health check: each run is
// at least one request to Entra ID. Readiness probes ask [credential.Credential.Status], which sends nothing.
//
// It is for people, and for programs that show it to people: the names of links, marks and verdicts are constants, but texts change
// without notice, and so do the facts. Programs that act on a refusal branch on the fields of an exchange.Error.
//
// # Errors and secrets
//
// Run has no error: what fails is in the report. A report holds no secret, no token, no part of one and no signature. It does hold
// IDs, names, paths and URLs.
//
// # Defaults and concurrency
//
// Without options everything comes from the environment, as for [credential.New], and the token is asked for Azure Resource Manager.
// Each request takes 10 seconds at most, reading the federated token and the exchange 30 each, and ctx can end them all sooner. Runs may be concurrent, and share nothing.
package diagnose
