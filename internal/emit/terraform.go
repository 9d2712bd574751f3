package emit

import (
	"errors"
	"strings"
	"unicode"
)

// terraformText needs azurerm 4.65 or later: resource_group_name was required before 4.60,
// user_assigned_identity_id was called parent_id before 4.65, and 5.0 supports neither.
const terraformText = `# Makes an existing user-assigned managed identity trust the workload's federated token. Needs the
# provider hashicorp/azurerm, 4.65 or later.
variable "workload_identity_name" {
  description = %[1]s
  type        = string
}

variable "workload_identity_resource_group_name" {
  type = string
}

data "azurerm_user_assigned_identity" "workload" {
  name                = var.workload_identity_name
  resource_group_name = var.workload_identity_resource_group_name
}

resource "azurerm_federated_identity_credential" "workload" {
  name                      = %[2]s
  user_assigned_identity_id = data.azurerm_user_assigned_identity.workload.id
  issuer                    = %[3]s
  subject                   = %[4]s
  audience                  = [%[5]s]
}
`

func terraform(wl Workload) (string, error) {
	if strings.ContainsFunc(wl.Issuer+wl.Subject+wl.Audience, func(c rune) bool { return !unicode.Is(steady, c) }) {
		return "", errors.New("this token has characters that could change, because Terraform normalizes Unicode: use another form")
	}
	return fill(terraformText, hcl, nameOfIdentity(wl), credentialName(wl), wl.Issuer, wl.Subject, wl.Audience), nil
}

// steady lists characters that Unicode's normalization form C leaves unchanged in any combination:
// Latin and Cyrillic letters, kana, Han, Hangul syllables and emoji, but no combining characters.
// The list is not complete, but an error is better than a changed subject.
var steady = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x0020, 0x02ff, 1}, {0x0400, 0x0482, 1}, {0x048a, 0x052f, 1}, {0x3041, 0x3096, 1}, {0x30a1, 0x30fa, 1},
		{0x3400, 0x4dbf, 1}, {0x4e00, 0x9fff, 1}, {0xac00, 0xd7a3, 1},
	},
	R32:         []unicode.Range32{{0x1f300, 0x1faff, 1}},
	LatinOffset: 0,
}
