# Signs in as a Python program does, with the library in the argument. Prints the result as JSON.
# The test parses it and does not show it.
import json
import os
import sys
import time

client, tenant, authority, file = (
    os.environ["AZURE_" + name] for name in ("CLIENT_ID", "TENANT_ID", "AUTHORITY_HOST", "FEDERATED_TOKEN_FILE")
)
SCOPE = "https://storage.azure.com/.default"


def identity():
    import azure.identity

    # Older versions read the token file in the credential for managed identities. Neither version
    # looks the host up.
    name = "WorkloadIdentityCredential"
    if not hasattr(azure.identity, name):
        name = "ManagedIdentityCredential"
    token = getattr(azure.identity, name)(retry_total=0).get_token(SCOPE)
    return {"token": token.token, "expiresOn": token.expires_on * 1000}


def msal():
    from msal import ConfidentialClientApplication

    with open(file) as assertion:
        application = ConfidentialClientApplication(
            client, {"client_assertion": assertion.read()}, authority + tenant, instance_discovery=False
        )
    reply = application.acquire_token_for_client([SCOPE])
    if "access_token" not in reply:
        return {"error": f"{reply['error']} {reply['error_description']}"}
    return {"token": reply["access_token"], "expiresOn": int((time.time() + reply["expires_in"]) * 1000)}


try:
    found = {"identity": identity, "msal": msal}[sys.argv[1]]()
except Exception as error:
    found = {"error": f"{type(error).__name__} {error}"}
print(json.dumps(found))
