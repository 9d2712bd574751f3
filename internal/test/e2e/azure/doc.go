// Package azure runs the credential with the Azure SDK's clients and with Azurite. It also runs
// other vendors' sign-in libraries and the Azure CLI against the fake Entra ID, to show that they
// understand its replies. It contains only tests, which run on loopback. README.md has the
// commands.
package azure
