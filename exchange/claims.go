package exchange

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// capability tells Entra ID that the client handles claims challenges
// (https://learn.microsoft.com/entra/identity-platform/claims-challenge).
const capability = "CP1"

// mergeClaims returns the value of the claims parameter: the challenge, plus the capability if
// enableCAE is set. It is empty if there is neither.
func mergeClaims(challenge string, enableCAE bool) (string, error) {
	claims, err := parseClaims(challenge)
	if err != nil || !enableCAE {
		return challenge, err
	}
	accessToken, err := object(claims, "access_token")
	if err != nil {
		return "", err
	}
	clientCapabilities, err := object(accessToken, "xms_cc")
	if err != nil {
		return "", err
	}
	values, ok := clientCapabilities["values"].([]any)
	if !ok && clientCapabilities["values"] != nil {
		return "", errors.New(`field Claims conflicts with EnableCAE: its access_token.xms_cc.values is not an array`)
	}
	if slices.ContainsFunc(values, isCapability) {
		return challenge, nil
	}
	clientCapabilities["values"] = append(values, capability)
	merged, err := json.Marshal(claims)
	return string(merged), err
}

func isCapability(value any) bool {
	s, _ := value.(string)
	return strings.EqualFold(s, capability)
}

// parseClaims returns the challenge as an object. An empty challenge yields an empty object.
func parseClaims(challenge string) (map[string]any, error) {
	if challenge == "" {
		return map[string]any{}, nil
	}
	var claims map[string]any
	decoder := json.NewDecoder(strings.NewReader(challenge))
	decoder.UseNumber() // keep numbers exactly as written
	if json.Valid([]byte(challenge)) && decoder.Decode(&claims) == nil && claims != nil {
		return claims, nil
	}
	decoded, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(challenge))
	if err == nil && json.Valid(decoded) {
		return nil, errors.New("field Claims is not a JSON object but looks like base64: decode the challenge of the WWW-Authenticate header first")
	}
	return nil, errors.New("field Claims is not a JSON object")
}

// object returns the member of o called name, which must be an object. It adds a missing one.
func object(o map[string]any, name string) (map[string]any, error) {
	member, ok := o[name].(map[string]any)
	if !ok && o[name] != nil {
		return nil, fmt.Errorf("field Claims conflicts with EnableCAE: its %s is not an object", name)
	}
	if member == nil {
		member = map[string]any{}
		o[name] = member
	}
	return member, nil
}
