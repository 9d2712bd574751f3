# The managed identity that the workload signs in as, which trusts the workload's service account.
terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.65, < 6.0" # these versions refer to the identity by user_assigned_identity_id
    }
  }
}

provider "azurerm" {
  features {}
}

variable "resource_group_name" {
  type = string
}

variable "location" {
  type = string
}

variable "issuer" {
  description = "The cluster's OIDC issuer, exactly as the cluster writes it into tokens. On AKS it ends with a slash: azurerm_kubernetes_cluster.NAME.oidc_issuer_url."
  type        = string
}

variable "namespace" {
  type    = string
  default = "shop"
}

variable "service_account" {
  type    = string
  default = "orders"
}

resource "azurerm_user_assigned_identity" "orders" {
  name                = "orders"
  resource_group_name = var.resource_group_name
  location            = var.location
}

resource "azurerm_federated_identity_credential" "orders" {
  name                      = "${var.namespace}-${var.service_account}"
  user_assigned_identity_id = azurerm_user_assigned_identity.orders.id
  issuer                    = var.issuer
  subject                   = "system:serviceaccount:${var.namespace}:${var.service_account}"
  audience                  = ["api://AzureADTokenExchange"]
}

output "client_id" {
  value = azurerm_user_assigned_identity.orders.client_id
}

output "tenant_id" {
  value = azurerm_user_assigned_identity.orders.tenant_id
}

output "principal_id" { # for role assignments
  value = azurerm_user_assigned_identity.orders.principal_id
}
