package tokenfile

import "time"

// Token is what a federated token says of itself, unverified. It is plain data:
// it holds neither the raw token nor its signature, and nothing in it is secret,
// so it may be printed, logged and marshalled. The claims are those of RFC 7519,
// section 4.1; what is absent, or null, is the zero value. Times are in UTC.
type Token struct {
	Issuer    string    `json:"issuer,omitempty"`    // claim iss
	Subject   string    `json:"subject,omitempty"`   // claim sub, system:serviceaccount:NAMESPACE:NAME in Kubernetes
	Audience  []string  `json:"audience,omitempty"`  // claim aud, a string or an array on the wire
	IssuedAt  time.Time `json:"issuedAt,omitzero"`   // claim iat
	NotBefore time.Time `json:"notBefore,omitzero"`  // claim nbf
	Expiry    time.Time `json:"expiry,omitzero"`     // claim exp
	ID        string    `json:"id,omitempty"`        // claim jti, by default since Kubernetes 1.30
	KeyID     string    `json:"keyID,omitempty"`     // header kid, the key in the issuer's key set
	Algorithm string    `json:"algorithm,omitempty"` // header alg; Entra documents RS256 as the only one it takes

	// Kubernetes is zero for a token of another issuer.
	Kubernetes Kubernetes `json:"kubernetes,omitzero"`
}

// Kubernetes is the claim "kubernetes.io": what the token is bound to
// (pkg/serviceaccount/claims.go of Kubernetes). Its JSON is that of the claim.
type Kubernetes struct {
	Namespace      string `json:"namespace,omitempty"`
	ServiceAccount Object `json:"serviceaccount,omitzero"`
	Pod            Object `json:"pod,omitzero"`  // set in what a kubelet projects
	Node           Object `json:"node,omitzero"` // set since Kubernetes 1.30, once the pod is scheduled
}

// Object names one Kubernetes object.
type Object struct {
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
}
