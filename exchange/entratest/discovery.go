package entratest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// document serves what is fetched with GET. Entra lets the discovery documents be cached for a day, and scripts of any site read them.
func (c *call) document() *response {
	var out *response
	switch c.Kind {
	case KindKeys:
		out = respondJSON(c, http.StatusOK, publicKeys(entraKey()))
	case KindOpenIDConfiguration:
		out = respondJSON(c, http.StatusOK, c.configuration())
	default:
		return c.instance()
	}
	return cacheable(out)
}

func cacheable(out *response) *response {
	out.header.Set("Cache-Control", "max-age=86400, private")
	out.header.Set("Access-Control-Allow-Origin", "*")
	out.header.Set("Access-Control-Allow-Methods", "GET, OPTIONS")
	out.header.Del("Pragma")
	out.header.Del("Expires")
	return out
}

// configuration is a tenant's openid-configuration. Every URL that a client calls leads back to the host it was asked on. The first
// version has its issuer from the tokens that it is for, v1.0 access tokens.
type configuration struct {
	TokenEndpoint               string   `json:"token_endpoint"`
	TokenEndpointAuthMethods    []string `json:"token_endpoint_auth_methods_supported"`
	JWKSURI                     string   `json:"jwks_uri"`
	ResponseModes               []string `json:"response_modes_supported"`
	SubjectTypes                []string `json:"subject_types_supported"`
	SigningAlgs                 []string `json:"id_token_signing_alg_values_supported"`
	ResponseTypes               []string `json:"response_types_supported"`
	Scopes                      []string `json:"scopes_supported"`
	Issuer                      string   `json:"issuer"`
	AuthorizationEndpoint       string   `json:"authorization_endpoint"`
	DeviceAuthorizationEndpoint string   `json:"device_authorization_endpoint"`
	EndSessionEndpoint          string   `json:"end_session_endpoint"`
	TenantRegionScope           string   `json:"tenant_region_scope"`
	CloudInstanceName           string   `json:"cloud_instance_name"`
	CloudGraphHostName          string   `json:"cloud_graph_host_name"`
	MSGraphHost                 string   `json:"msgraph_host"`
}

func (c *call) configuration() configuration {
	tenant, keys, oauth2, issuer := c.base+"/"+c.TenantID, "/discovery/v2.0/keys", "/oauth2/v2.0/", c.base+"/"+c.issuerTenant()+"/v2.0"
	if c.v1 {
		keys, oauth2, issuer = "/discovery/keys", "/oauth2/", "https://sts.windows.net/"+c.issuerTenant()+"/"
	}
	return configuration{
		TokenEndpoint:               tenant + oauth2 + "token",
		TokenEndpointAuthMethods:    []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		JWKSURI:                     tenant + keys,
		ResponseModes:               []string{"query", "fragment", "form_post"},
		SubjectTypes:                []string{"pairwise"},
		SigningAlgs:                 []string{"RS256"},
		ResponseTypes:               []string{"code", "id_token", "code id_token", "id_token token"},
		Scopes:                      []string{"openid", "profile", "email", "offline_access"},
		Issuer:                      issuer,
		AuthorizationEndpoint:       tenant + oauth2 + "authorize",
		DeviceAuthorizationEndpoint: tenant + oauth2 + "devicecode",
		EndSessionEndpoint:          tenant + oauth2 + "logout",
		TenantRegionScope:           "WW",
		CloudInstanceName:           "microsoftonline.com",
		CloudGraphHostName:          "graph.windows.net",
		MSGraphHost:                 "graph.microsoft.com",
	}
}

// issuerTenant is a placeholder where the tenant is none in particular: each token says its own.
func (c *call) issuerTenant() string {
	if slices.Contains(tenantless, strings.ToLower(c.TenantID)) {
		return "{tenantid}"
	}
	return c.TenantID
}

// cloud is an entry of instance discovery: hosts that are one cloud.
type cloud struct {
	PreferredNetwork string   `json:"preferred_network"`
	PreferredCache   string   `json:"preferred_cache"`
	Aliases          []string `json:"aliases"`
}

// clouds are those that login.microsoftonline.com lists.
var clouds = []cloud{
	{"login.microsoftonline.com", "login.windows.net", []string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}},
	{"login.partner.microsoftonline.cn", "login.partner.microsoftonline.cn", []string{"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"}},
	{"login.microsoftonline.de", "login.microsoftonline.de", []string{"login.microsoftonline.de"}},
	{"login.microsoftonline.us", "login.microsoftonline.us", []string{"login.microsoftonline.us", "login.usgovcloudapi.net"}},
	{"login-us.microsoftonline.com", "login-us.microsoftonline.com", []string{"login-us.microsoftonline.com"}},
}

// cloudOf returns the host that stands for a host's cloud in the issuer of tokens: a regional host's is the cloud's, an unknown
// one's is that of the public cloud.
func cloudOf(host string) string {
	if cloud, known := knownCloud(host); known {
		return cloud
	}
	return clouds[0].PreferredNetwork
}

// knownCloud is cloudOf for a host that is one of a cloud.
func knownCloud(host string) (preferred string, known bool) {
	for _, cloud := range clouds {
		if slices.ContainsFunc(cloud.Aliases, func(alias string) bool { return host == alias || strings.HasSuffix(host, "."+alias) }) {
			return cloud.PreferredNetwork, true
		}
	}
	return "", false
}

// regional tells the host of a region: that of a cloud with a label before it.
func regional(host string) bool {
	_, rest, _ := strings.Cut(host, ".")
	return slices.ContainsFunc(clouds, func(c cloud) bool { return slices.Contains(c.Aliases, rest) })
}

type instanceBody struct {
	TenantDiscoveryEndpoint string  `json:"tenant_discovery_endpoint"`
	APIVersion              string  `json:"api-version"`
	Metadata                []cloud `json:"metadata"`
}

// instance tells a client whether a host may be trusted. Here every host may: one that no cloud has is its own.
func (c *call) instance() *response {
	asked, err := url.Parse(c.query.Get("authorization_endpoint"))
	if err != nil || asked.Host == "" {
		return c.refused(missing("authorization_endpoint"))
	}
	known := slices.Clone(clouds)
	if !slices.ContainsFunc(known, func(k cloud) bool { return slices.Contains(k.Aliases, asked.Host) }) {
		known = append(known, cloud{asked.Host, asked.Host, []string{asked.Host}})
	}
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(asked.Path, "/"), "/")
	version := "/v2.0"
	if rest == "oauth2/authorize" {
		version = ""
	}
	return cacheable(respondJSON(c, http.StatusOK, instanceBody{
		TenantDiscoveryEndpoint: asked.Scheme + "://" + asked.Host + "/" + tenant + version + "/.well-known/openid-configuration",
		APIVersion:              "1.1",
		Metadata:                known,
	}))
}
