package diagnose

import "time"

// Report is what [Run] found. It is plain data without a secret; it marshals to JSON and prints as text.
type Report struct {
	Verdict Verdict       `json:"verdict"`
	Started time.Time     `json:"started"` // UTC
	Took    time.Duration `json:"tookNanoseconds"`
	Links   []Link        `json:"links"`  // in the order of the chain
	Notice  string        `json:"notice"` // what the report holds, and what not
}

const notice = "This report holds no secret: no token, no part of one and no signature. It does hold IDs, names, paths and URLs."

// Verdict sums a [Report] up.
type Verdict string

const (
	// OK means that the workload got its access token, and the resource took it if there is one.
	OK Verdict = "ok"

	// Misconfigured means that somebody has to mend something: the [Failure] says what.
	Misconfigured Verdict = "misconfigured"

	// Transient means that nothing is known to be wrong with the setup: the network or Entra ID failed, or time ran out.
	Transient Verdict = "transient"
)

// Name is that of a link.
type Name string

// The links, in the order of the chain.
const (
	Environment         Name = "environment"          // variables and options
	TokenFile           Name = "token file"           // or what else the federated token comes from
	ServiceAccount      Name = "service account"      // what the federated token says
	Issuer              Name = "OIDC issuer"          // of the federated token, with its keys
	FederatedCredential Name = "federated credential" // in Entra ID: the exchange
	AccessToken         Name = "access token"
	Resource            Name = "resource"
)

// Mark is the state of a link.
type Mark string

// Marks of links.
const (
	Fine       Mark = "ok"
	Warning    Mark = "warning" // odd, or could not be seen from here; not what a sign-in failed by
	Failure    Mark = "failure"
	NotReached Mark = "not reached" // not looked at, or not judged, because of another link
)

// Link is a link of the chain: what was seen of it, and what is wrong with it.
type Link struct {
	Name     Name          `json:"name"`
	Mark     Mark          `json:"mark"`
	Summary  string        `json:"summary,omitempty"` // one line
	Facts    []Fact        `json:"facts,omitempty"`   // what was seen
	Findings []Finding     `json:"findings,omitempty"`
	Took     time.Duration `json:"tookNanoseconds"`

	// Transient says of a Failure that it may pass by itself.
	Transient bool `json:"transient,omitempty"`
}

// Fact is one thing that was seen, and what it is called.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Finding is what is wrong, or odd, and how to mend it.
type Finding struct {
	Problem string `json:"problem"`
	Fix     string `json:"fix,omitempty"` // empty where Problem says it
}

// Faults returns the links that failed.
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
		case l.Mark == Failure: // nothing is left unreached without one
			v = Transient
		}
	}
	return v
}

// see notes a fact, if there is a value.
func (l *Link) see(name, value string) {
	if value != "" {
		l.Facts = append(l.Facts, Fact{name, value})
	}
}

func (l *Link) ok(summary string) { l.Mark, l.Summary = Fine, summary }

// skip says why the link was not looked at, or not judged.
func (l *Link) skip(summary string) { l.Mark, l.Summary = NotReached, summary }

// warn notes what is odd.
func (l *Link) warn(problem, fix string) {
	if l.Mark != Failure {
		l.Mark = Warning
	}
	l.Findings = append(l.Findings, Finding{problem, fix})
}

// fail notes what is wrong. What was odd before is part of it; what was fine is not the point any more.
func (l *Link) fail(problem, fix string) {
	l.Mark, l.Summary = Failure, ""
	l.Findings = append(l.Findings, Finding{problem, fix})
}

// each replaces every text that is not from here.
func (l *Link) each(clean func(string) string) {
	l.Summary = clean(l.Summary)
	for i, f := range l.Facts {
		l.Facts[i] = Fact{f.Name, clean(f.Value)}
	}
	for i, f := range l.Findings {
		l.Findings[i] = Finding{clean(f.Problem), clean(f.Fix)}
	}
}
