package entratest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// document serves the discovery documents. Like Entra, it lets clients cache them for a day and
// lets scripts on any site read them.
func (s *Server) document(c *call) *reply {
	var out *reply
	switch c.Kind {
	case KindKeys:
		out = newJSONReply(c, http.StatusOK, publicKeys(s.signer.all()...))
	case KindOpenIDConfiguration:
		out = newJSONReply(c, http.StatusOK, c.configuration())
	default:
		return c.instance()
	}
	return cacheable(out)
}

// preflight answers a browser's CORS preflight request.
func (c *call) preflight() *reply {
	out := cacheable(newReply(c, http.StatusOK, nil))
	out.header.Set("Allow", "GET, OPTIONS")
	out.header.Del("Content-Type")
	return out
}

func cacheable(out *reply) *reply {
	out.header.Set("Cache-Control", "max-age=86400, private")
	out.header.Set("Access-Control-Allow-Origin", "*")
	out.header.Set("Access-Control-Allow-Methods", "GET, OPTIONS")
	out.header.Del("Pragma")
	out.header.Del("Expires")
	return out
}

// configuration is a tenant's openid-configuration, in Entra's order of members. The endpoints that
// clients call are on the host of the request. The v1 document names the issuer of v1.0 tokens.
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
	RequestURI                  bool     `json:"request_uri_parameter_supported"`
	UserinfoEndpoint            string   `json:"userinfo_endpoint"`
	AuthorizationEndpoint       string   `json:"authorization_endpoint"`
	DeviceAuthorizationEndpoint string   `json:"device_authorization_endpoint"`
	HTTPLogout                  bool     `json:"http_logout_supported"`
	FrontchannelLogout          bool     `json:"frontchannel_logout_supported"`
	EndSessionEndpoint          string   `json:"end_session_endpoint"`
	Claims                      []string `json:"claims_supported"`
	TenantRegionScope           string   `json:"tenant_region_scope"`
	CloudInstanceName           string   `json:"cloud_instance_name"`
	CloudGraphHostName          string   `json:"cloud_graph_host_name"`
	MSGraphHost                 string   `json:"msgraph_host"`
	RBACURL                     string   `json:"rbac_url"`
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
		UserinfoEndpoint:            "https://graph.microsoft.com/oidc/userinfo",
		AuthorizationEndpoint:       tenant + oauth2 + "authorize",
		DeviceAuthorizationEndpoint: tenant + oauth2 + "devicecode",
		HTTPLogout:                  true,
		FrontchannelLogout:          true,
		EndSessionEndpoint:          tenant + oauth2 + "logout",
		Claims: []string{
			"sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host", "aud", "exp", "iat", "auth_time",
			"acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email",
		},
		TenantRegionScope:  "WW",
		CloudInstanceName:  "microsoftonline.com",
		CloudGraphHostName: "graph.windows.net",
		MSGraphHost:        "graph.microsoft.com",
		RBACURL:            "https://pas.windows.net",
	}
}

// issuerTenant returns the tenant in the issuer's URL. For common and its like it is a placeholder,
// because each token names its own tenant.
func (c *call) issuerTenant() string {
	if slices.Contains(tenantless, strings.ToLower(c.TenantID)) {
		return "{tenantid}"
	}
	return c.tenant
}

// cloud is an entry of instance discovery: the hosts of one cloud.
type cloud struct {
	PreferredNetwork string   `json:"preferred_network"`
	PreferredCache   string   `json:"preferred_cache"`
	Aliases          []string `json:"aliases"`
}

// clouds are the clouds that login.microsoftonline.com lists.
var clouds = []cloud{
	{"login.microsoftonline.com", "login.windows.net", []string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}},
	{"login.partner.microsoftonline.cn", "login.partner.microsoftonline.cn", []string{"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"}},
	{"login.microsoftonline.de", "login.microsoftonline.de", []string{"login.microsoftonline.de"}},
	{"login.microsoftonline.us", "login.microsoftonline.us", []string{"login.microsoftonline.us", "login.usgovcloudapi.net"}},
	{"login-us.microsoftonline.com", "login-us.microsoftonline.com", []string{"login-us.microsoftonline.com"}},
}

// cloudOf returns the host that a cloud's tokens name as issuer. A regional host belongs to its
// cloud, and an unknown host to the public cloud.
func cloudOf(host string) string {
	if cloud, known := knownCloud(host); known {
		return cloud
	}
	return clouds[0].PreferredNetwork
}

// knownCloud is like cloudOf, but reports whether the host belongs to a cloud.
func knownCloud(host string) (preferred string, known bool) {
	for _, cloud := range clouds {
		if slices.ContainsFunc(cloud.Aliases, func(alias string) bool { return host == alias || strings.HasSuffix(host, "."+alias) }) {
			return cloud.PreferredNetwork, true
		}
	}
	return "", false
}

// regional reports whether host is regional: a label followed by a cloud's host.
func regional(host string) bool {
	_, rest, _ := strings.Cut(host, ".")
	return slices.ContainsFunc(clouds, func(c cloud) bool { return slices.Contains(c.Aliases, rest) })
}

type instanceBody struct {
	TenantDiscoveryEndpoint string  `json:"tenant_discovery_endpoint"`
	APIVersion              string  `json:"api-version"`
	Metadata                []cloud `json:"metadata"`
}

// instance answers instance discovery, which tells clients the trusted hosts. Every host is trusted
// here; one outside the known clouds becomes its own cloud.
func (c *call) instance() *reply {
	authorize, err := url.Parse(c.query.Get("authorization_endpoint"))
	if err != nil || authorize.Host == "" {
		return c.refused(missing("authorization_endpoint"))
	}
	known := slices.Clone(clouds)
	if !slices.ContainsFunc(known, func(k cloud) bool { return slices.Contains(k.Aliases, authorize.Host) }) {
		known = append(known, cloud{authorize.Host, authorize.Host, []string{authorize.Host}})
	}
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(authorize.Path, "/"), "/")
	version := "/v2.0"
	if rest == "oauth2/authorize" {
		version = ""
	}
	return cacheable(newJSONReply(c, http.StatusOK, instanceBody{
		TenantDiscoveryEndpoint: authorize.Scheme + "://" + authorize.Host + "/" + tenant + version + "/.well-known/openid-configuration",
		APIVersion:              "1.1",
		Metadata:                known,
	}))
}
