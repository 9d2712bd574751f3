package tokenfile

import "time"

// Token holds the unverified claims of a federated token. It is plain data, without the raw token
// or its signature. Nothing in it is secret, so it may be printed, logged and marshaled. The
// claims are those of RFC 7519, section 4.1. A claim that is absent or null is the zero value.
// Times are in UTC.
type Token struct {
	Issuer string `json:"issuer,omitempty"` // claim iss
	// Claim sub; in Kubernetes system:serviceaccount:NS:NAME.
	Subject   string    `json:"subject,omitempty"`
	Audience  []string  `json:"audience,omitempty"`  // claim aud, a string or an array on the wire
	IssuedAt  time.Time `json:"issuedAt,omitzero"`   // claim iat
	NotBefore time.Time `json:"notBefore,omitzero"`  // claim nbf
	Expiry    time.Time `json:"expiry,omitzero"`     // claim exp
	ID        string    `json:"id,omitempty"`        // claim jti, by default since Kubernetes 1.30
	KeyID     string    `json:"keyID,omitempty"`     // header kid, the key in the issuer's key set
	Algorithm string    `json:"algorithm,omitempty"` // header alg; Entra ID documents only RS256

	// Kubernetes is zero in a token from another issuer.
	Kubernetes Kubernetes `json:"kubernetes,omitzero"`
}

// Kubernetes is the claim "kubernetes.io": the objects that the token is bound to
// (pkg/serviceaccount/claims.go of Kubernetes). Its JSON is that of the claim.
type Kubernetes struct {
	Namespace      string `json:"namespace,omitempty"`
	ServiceAccount Object `json:"serviceaccount,omitzero"`
	Pod            Object `json:"pod,omitzero"`  // set in tokens that a kubelet projects
	Node           Object `json:"node,omitzero"` // since Kubernetes 1.30, for scheduled pods
}

// Object names one Kubernetes object.
type Object struct {
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
}
