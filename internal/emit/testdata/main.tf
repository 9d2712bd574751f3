# Makes an existing user-assigned managed identity trust the workload's federated token. Needs the
# provider hashicorp/azurerm, 4.65 or later.
variable "workload_identity_name" {
  description = "Name of the user-assigned managed identity with client ID 11111111-2222-4333-8444-555555555555."
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
  name                      = "shop-orders-ac15e741"
  user_assigned_identity_id = data.azurerm_user_assigned_identity.workload.id
  issuer                    = "https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/"
  subject                   = "system:serviceaccount:shop:orders"
  audience                  = ["api://AzureADTokenExchange"]
}
