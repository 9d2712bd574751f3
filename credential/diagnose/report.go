package diagnose

import (
	"time"

	"github.com/entrafed/entrafed/internal/redact"
)

// Report is the result of [Run]. It is plain data without secrets. It marshals to JSON and prints
// as text.
type Report struct {
	Verdict Verdict       `json:"verdict"`
	Started time.Time     `json:"started"` // UTC
	Took    time.Duration `json:"tookNanoseconds"`
	Links   []Link        `json:"links"`  // in the order of the chain
	Notice  string        `json:"notice"` // for people who share the report: what it contains
}

const notice = "This report contains no secret, no token and no part of a token. It does contain IDs, names, paths and URLs."

// Verdict is the result of a whole [Report]. A single link has a [Mark] instead.
type Verdict string

const (
	// OK is the verdict of a report in which no link failed: the workload got its access token and,
	// if Options.Resource is set, the resource did not refuse it. A link that works has the mark
	// [Fine], whose value is "ok" too.
	OK Verdict = "ok"

	// Misconfigured means that something needs fixing: the links marked [Failure] say what.
	Misconfigured Verdict = "misconfigured"

	// Transient means that nothing is known to be wrong with the setup: the network, Entra ID or
	// the resource failed, or time ran out.
	Transient Verdict = "transient"
)

// LinkName names a [Link].
type LinkName string

// Name is LinkName.
//
// Deprecated: use LinkName.
type Name = LinkName

// The names of the links, in the order of the chain.
const (
	Environment         LinkName = "environment"          // environment variables and options
	TokenFile           LinkName = "token file"           // or another source of the federated token
	ServiceAccount      LinkName = "service account"      // the identity that the federated token states
	Issuer              LinkName = "OIDC issuer"          // of the federated token, with its keys
	FederatedCredential LinkName = "federated credential" // in Entra ID, which checks it in the exchange
	BlueprintToken      LinkName = "blueprint's token"    // for the agent identity, with Options.Agent
	AgentToken          LinkName = "agent's token"        // the agent identity's own exchange, with Options.Agent
	AccessToken         LinkName = "access token"         // for the resource
	Resource            LinkName = "resource"             // with Options.Resource
)

// Mark is the state of a single [Link]. A whole report has a [Verdict] instead.
type Mark string

const (
	// Fine is the mark of a link that works. Its value is "ok", like that of the verdict [OK].
	Fine Mark = "ok"

	// Warning means that something is odd or could not be checked from here. It did not make the
	// sign-in fail.
	Warning Mark = "warning"

	// Failure means that the sign-in or the request to the resource failed because of this link.
	Failure Mark = "failure"

	// NotReached means that the link was not checked, or that nothing is known about it, because
	// another link failed.
	NotReached Mark = "not reached"
)

// Link is one link of the chain: its state, what was seen, and what is wrong.
type Link struct {
	Name     LinkName      `json:"name"`
	Mark     Mark          `json:"mark"`
	Summary  string        `json:"summary,omitempty"`  // one line
	Facts    []Fact        `json:"facts,omitempty"`    // what was seen
	Findings []Finding     `json:"findings,omitempty"` // what is wrong or odd
	Took     time.Duration `json:"tookNanoseconds"`

	// Transient marks a Failure that may clear up on its own.
	Transient bool `json:"transient,omitempty"`

	causes []cause // among Findings
}

// Fact is one observation, such as a setting or a claim. Its name is a label for people.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Finding is something wrong or odd, and how to fix it.
type Finding struct {
	Problem string `json:"problem"`
	Fix     string `json:"fix,omitempty"` // empty if Problem includes it
}

// cause is a finding that explains refusals with one of the AADSTS codes.
type cause struct {
	Finding
	link  *Link
	codes []int
}

// Faults returns the links marked [Failure].
func (r Report) Faults() []Link {
	var faults []Link
	for _, l := range r.Links {
		if l.Mark == Failure {
			faults = append(faults, l)
		}
	}
	return faults
}

func verdict(links []Link) Verdict {
	v := OK
	for _, l := range links {
		switch {
		case l.Mark == Failure && !l.Transient:
			return Misconfigured
		case l.Mark == Failure:
			v = Transient
		}
	}
	return v
}

// see adds a fact, unless the value is empty.
func (l *Link) see(name, value string) {
	if value != "" {
		l.Facts = append(l.Facts, Fact{name, value})
	}
}

func (l *Link) ok(summary string) { l.Mark, l.Summary = Fine, summary }

// skip marks the link as not reached. summary says why.
func (l *Link) skip(summary string) { l.Mark, l.Summary = NotReached, summary }

// warn adds a warning. If Entra ID then refuses the token with one of the codes, the warning
// explains the refusal.
func (l *Link) warn(problem, fix string, explains ...int) {
	if l.Mark != Failure {
		l.Mark = Warning
	}
	found := Finding{problem, fix}
	l.Findings = append(l.Findings, found)
	if len(explains) > 0 {
		l.causes = append(l.causes, cause{found, l, explains})
	}
}

// fail adds a failure. It keeps earlier findings, which may be part of the problem, and drops the
// summary, which says that the link works.
func (l *Link) fail(problem, fix string) {
	l.Mark, l.Summary = Failure, ""
	l.Findings = append(l.Findings, Finding{problem, fix})
}

// each redacts every text that can contain foreign data. Fixes skip redact.Message, which would
// change the URLs in them.
func (l *Link) each(clean func(string) string) {
	seen := func(s string) string { return redact.Message(clean(s)) }
	l.Summary, l.causes = seen(l.Summary), nil
	for i, f := range l.Facts {
		l.Facts[i] = Fact{f.Name, seen(f.Value)}
	}
	for i, f := range l.Findings {
		l.Findings[i] = Finding{seen(f.Problem), clean(f.Fix)}
	}
}
