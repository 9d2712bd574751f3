// Signs in as a Node program does, with the library in the second argument. Prints the result as
// JSON. The test parses it and does not show it.
const { createRequire } = require("node:module");
const { readFile } = require("node:fs/promises");

const [modules, library] = process.argv.slice(2);
const load = createRequire(modules + "/");
const { AZURE_CLIENT_ID: clientId, AZURE_TENANT_ID: tenantId, AZURE_FEDERATED_TOKEN_FILE: file, AZURE_AUTHORITY_HOST: authority } = process.env;
const scope = "https://storage.azure.com/.default";

const libraries = {
  async identity() {
    const { WorkloadIdentityCredential } = load("@azure/identity");
    // A private host cannot be looked up in the public cloud.
    const credential = new WorkloadIdentityCredential({ disableInstanceDiscovery: true, retryOptions: { maxRetries: 0 } });
    const { token, expiresOnTimestamp } = await credential.getToken(scope);
    return { token, expiresOn: expiresOnTimestamp };
  },
  async msal() {
    const { ConfidentialClientApplication } = load("@azure/msal-node");
    const application = new ConfidentialClientApplication({
      auth: {
        clientId,
        authority: authority + tenantId,
        knownAuthorities: [new URL(authority).host],
        clientAssertion: () => readFile(file, "utf8"),
      },
    });
    const { accessToken, expiresOn } = await application.acquireTokenByClientCredential({ scopes: [scope] });
    return { token: accessToken, expiresOn: expiresOn.getTime() };
  },
};

libraries[library]().then(
  (found) => console.log(JSON.stringify(found)),
  (error) => console.log(JSON.stringify({ error: `${error.name} ${error.errorCode ?? error.errorResponse?.error} ${error.message}` })),
);
