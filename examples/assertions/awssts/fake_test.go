package awssts_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/entrafed/entrafed/examples/assertions/internal/issuer"
)

const (
	issuerURL = "https://a1d2b0fd-1177-4468-9351-2fe000000723.tokens.sts.global.api.aws"
	subject   = "arn:aws:iam::123456789012:role/orders"
	region    = "eu-central-1"
)

// role holds the credentials that the platform gives the workload.
var role = aws.Credentials{
	AccessKeyID:     "ASIAEXAMPLE",
	SecretAccessKey: "secret-access-key-that-is-secret",
	SessionToken:    "session-token-that-is-secret",
}

// fakeSTS is a regional STS endpoint of an account with outbound identity federation. It accepts
// the documented request if the role signed it, and refuses any other. It supports only RS256,
// because Entra ID does not support STS's other algorithm, ES384.
type fakeSTS struct {
	issuer.Issuer
	server *httptest.Server
	reply  http.HandlerFunc // replaces the token in reply to a valid request; set before it
}

func newFakeSTS() *fakeSTS {
	f := &fakeSTS{}
	f.server = httptest.NewTLSServer(f)
	return f
}

// client returns a client like sts.NewFromConfig's on AWS, except for the endpoint.
func (f *fakeSTS) client() *sts.Client {
	return sts.New(sts.Options{
		Region:       region,
		BaseEndpoint: aws.String(f.server.URL),
		HTTPClient:   f.server.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return role, nil
		}),
	})
}

func (f *fakeSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)           // a truncated body fails the signature check
	form, _ := url.ParseQuery(string(body)) // drops malformed pairs
	one := func(name, value string) bool { return len(form[name]) == 1 && form.Get(name) == value }
	switch {
	case r.URL.Path != "/" || r.URL.RawQuery != "":
		w.WriteHeader(http.StatusNotFound)
	case r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		refuse(w, http.StatusBadRequest, "MissingAction", "Could not find operation")
	case !signed(r, body):
		refuse(w, http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
	case !one("Action", "GetWebIdentityToken") || !one("Version", "2011-06-15"):
		refuse(w, http.StatusBadRequest, "InvalidAction", "Could not find operation")
	case len(form) != 4 || !one("SigningAlgorithm", "RS256") || form.Get("Audience.member.1") == "":
		refuse(w, http.StatusBadRequest, "ValidationError", "The request must contain the parameters Audience and SigningAlgorithm")
	case f.reply != nil:
		f.reply(w, r)
	default:
		f.issue(w, form.Get("Audience.member.1"))
	}
}

// signed reports whether the role signed the request. It signs the request again and compares.
func signed(r *http.Request, body []byte) bool {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 5*time.Minute || r.Header.Get("X-Amz-Security-Token") != role.SessionToken {
		return false
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "https://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return false
	}
	authorization := r.Header.Get("Authorization")
	_, list, _ := strings.Cut(authorization, "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	for name := range strings.SplitSeq(list, ";") {
		for _, value := range r.Header.Values(name) {
			again.Header.Add(name, value)
		}
	}
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(), role, again, hex.EncodeToString(sum[:]), "sts", region, at)
	return err == nil && again.Header.Get("Authorization") == authorization
}

func (f *fakeSTS) issue(w http.ResponseWriter, audience string) {
	token, err := f.Token(issuerURL, subject, audience)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	answer(w, token)
}

func answer(w http.ResponseWriter, token string) {
	w.Header().Set("Content-Type", "text/xml")
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName    xml.Name  `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetWebIdentityTokenResponse"`
		Token      string    `xml:"GetWebIdentityTokenResult>WebIdentityToken,omitempty"`
		Expiration time.Time `xml:"GetWebIdentityTokenResult>Expiration"`
		RequestID  string    `xml:"ResponseMetadata>RequestId"`
	}{Token: token, Expiration: time.Now().UTC().Add(5 * time.Minute), RequestID: "request-1"})
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}{Type: "Sender", Code: code, Message: message, RequestID: "request-1"})
}
