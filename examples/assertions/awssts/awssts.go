// Package awssts signs a workload on AWS in to Microsoft Entra ID without a secret. It gets a token
// for the workload's IAM role from the AWS Security Token Service, for
// credential.Options.Assertion. It works wherever the AWS SDK finds credentials: EC2, ECS, Lambda,
// EKS. Copy the file.
//
//	config, err := config.LoadDefaultConfig(ctx) // github.com/aws/aws-sdk-go-v2/config
//	if err != nil {
//		return err
//	}
//	cred, err := credential.New(&credential.Options{
//		ClientID: "…", TenantID: "…",
//		Assertion: awssts.New(sts.NewFromConfig(config), nil),
//	})
//
// # In AWS
//
// An administrator enables outbound identity federation once per account. The command prints the
// account's issuer:
//
//	aws iam enable-outbound-web-identity-federation
//
// The role needs the permission sts:GetWebIdentityToken, which can be restricted to Entra ID:
//
//	"Condition": {"ForAnyValue:StringEquals": {"sts:IdentityTokenAudience": "api://AzureADTokenExchange"}}
//
// The client needs a region, because the global endpoint of STS does not support the operation.
//
// # In Entra ID
//
// The app registration or user-assigned managed identity needs a federated credential. Entra ID
// compares all three values exactly:
//
//	issuer    https://ID.tokens.sts.global.api.aws, the account's
//	subject   arn:aws:iam::ACCOUNT:role/ROLE
//	audience  api://AzureADTokenExchange
//
// # Sources
//
// The operation: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html.
// Issuer, subject and permission:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_getting_started.html.
// Entra ID accepts only tokens signed with RS256:
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations.
package awssts

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// Audience is the audience that Entra ID and the federated credential expect.
const Audience = "api://AzureADTokenExchange"

// Options configures [New]. The zero value is ready to use.
type Options struct {
	// Audience is the token's audience. Default: [Audience].
	Audience string
}

// New returns a function for credential.Options.Assertion. The function is safe for concurrent use
// and sends a request at each call. The credential calls it once per exchange and caches the access
// token. The assertion is valid for five minutes, STS's default.
//
// The function does not retry. The credential remembers the failure, backs off and calls again.
// Errors wrap the AWS SDK's errors and never contain a token. The context bounds the request.
func New(client *sts.Client, options *Options) func(context.Context) (string, error) {
	s := source{client: client, audience: Audience}
	if options != nil {
		s.audience = cmp.Or(options.Audience, Audience)
	}
	return s.assertion
}

type source struct {
	client   *sts.Client
	audience string
}

func (s *source) assertion(ctx context.Context) (string, error) {
	output, err := s.client.GetWebIdentityToken(ctx, &sts.GetWebIdentityTokenInput{
		Audience:         []string{s.audience},
		SigningAlgorithm: aws.String("RS256"),
	}, func(o *sts.Options) { o.Retryer = aws.NopRetryer{} })
	if _, disabled := errors.AsType[*types.OutboundWebIdentityFederationDisabledException](err); disabled {
		return "", fmt.Errorf("awssts: run aws iam enable-outbound-web-identity-federation once for the account: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("awssts: %w", err)
	}
	if aws.ToString(output.WebIdentityToken) == "" {
		return "", errors.New("awssts: the reply from AWS has no token")
	}
	return *output.WebIdentityToken, nil
}
