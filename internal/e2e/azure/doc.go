// Package azure runs the credential with the clients and emulators that its users have: the Azure SDK's clients, and Azurite. It
// runs other vendors' sign-in libraries against the fake Entra ID too, so that what the fake says is what they understand. It is
// all tests, on loopback alone; README.md has the commands.
package azure
