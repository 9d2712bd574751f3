// Package kafka connects a Kafka client to Azure Event Hubs with access tokens instead of a
// connection string. Copy the file.
//
//	options, err := kafka.Options("shop.servicebus.windows.net", cred)
//	if err != nil {
//		return err
//	}
//	client, err := kgo.NewClient(append(options, kgo.ConsumeTopics("orders"))...)
//
// While the credential fails, a producer keeps its records and tries again (franz-go v1.22.3). To
// give up, set kgo.RecordDeliveryTimeout, or produce with a context that ends.
//
// The token is for the namespace's own host. https://eventhubs.azure.net is for Event Hubs' other
// protocols. The identity needs the role Azure Event Hubs Data Sender or Data Receiver.
//
// The client requests a token for each connection. If the server reports the session's lifetime,
// the client signs in again before its end, over the same connection. Otherwise it reconnects when
// the server closes the connection. A token that the server refuses stays in use until the
// credential refreshes it. To replace it at once, call Credential.Invalidate.
//
// # Sources
//
// https://learn.microsoft.com/azure/event-hubs/authenticate-application,
// https://github.com/Azure/azure-event-hubs-for-kafka/tree/master/tutorials/oauth and, for signing
// in again,
// https://cwiki.apache.org/confluence/display/KAFKA/KIP-368%3A+Allow+SASL+Connections+to+Periodically+Re-Authenticate
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
)

// Options returns client options for a namespace such as shop.servicebus.windows.net. They set its
// address, TLS, and a token for each session.
func Options(namespace string, cred azcore.TokenCredential) ([]kgo.Opt, error) {
	u, err := url.Parse("https://" + namespace)
	if err != nil || u.Hostname() == "" || u.Hostname() != namespace {
		// The error does not quote namespace, which may be a connection string with a key.
		return nil, errors.New("kafka: the namespace is not a host such as shop.servicebus.windows.net")
	}
	scope := "https://" + namespace + "/.default"
	return []kgo.Opt{
		kgo.SeedBrokers(namespace + ":9093"),
		kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}),
		kgo.SASL(oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
			return oauth.Auth{Token: token.Token}, err
		})),
	}, nil
}
