"""Uses the stack that was deployed: root key, organization, integration, mapping, connections, tokens, sweep.

    walk.py <template> <stack>
"""

import http.server
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3

template = json.load(open(sys.argv[1], encoding="utf-8"))
stack = sys.argv[2]
port = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).port
region, account = "us-east-1", "000000000000"


def resources():
    """Physical ids by logical ones."""
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    found = [row for page in pages for row in page["StackResourceSummaries"]]
    wrong = [row for row in found if row["ResourceStatus"] != "CREATE_COMPLETE"]
    assert not wrong, wrong
    return {row["LogicalResourceId"]: row["PhysicalResourceId"] for row in found}


def add_routes(made):
    """What SAM makes of the functions' events, which MiniStack does not read out of the API's body."""
    api, gateway = made["Api"], boto3.client("apigatewayv2")
    present = {route["RouteKey"] for route in gateway.get_routes(ApiId=api)["Items"]}

    def invoked(function, qualifier=""):
        arn = f"arn:aws:lambda:{region}:{account}:function:{made[function]}{qualifier}"
        return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations", arn

    authorizer = gateway.create_authorizer(
        ApiId=api, Name="KeyAuthorizer", AuthorizerType="REQUEST",
        AuthorizerUri=invoked("AuthorizerFunction")[0], AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True, IdentitySource=["$request.header.Authorization"],
        AuthorizerResultTtlInSeconds=60)["AuthorizerId"]
    count = 0
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        routes = [event["Properties"] for event in resource["Properties"].get("Events", {}).values()
                  if event["Type"] == "HttpApi"]
        if not routes:
            continue
        # By the alias, as SAM does it.
        integration = gateway.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=invoked(name, ":live")[1],
            PayloadFormatVersion="2.0")["IntegrationId"]
        for route in routes:
            key = f"{route['Method']} {route['Path']}"
            if key in present:
                continue
            is_open = route.get("Auth", {}).get("Authorizer") == "NONE"
            auth = {} if is_open else {"AuthorizationType": "CUSTOM", "AuthorizerId": authorizer}
            gateway.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}", **auth)
            count += 1
    print(f"{count} routes added")


class Provider(http.server.BaseHTTPRequestHandler):
    """Mints a token for whoever asks, and rotates refresh tokens."""

    asked = []

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        grant = form["grant_type"][0]
        Provider.asked.append(grant)
        answer = {"access_token": f"at-{len(Provider.asked)}", "token_type": "Bearer", "expires_in": 3600}
        if grant == "refresh_token":
            answer["refresh_token"] = f"rt-{len(Provider.asked)}"
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def start_provider():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class Api:
    def __init__(self, api, key):
        self.host, self.key = f"{api}.execute-api.localhost:{port}", key

    def call(self, method, path, body=None, expected=200):
        data = None if body is None else json.dumps(body).encode()
        headers = {"host": self.host, "content-type": "application/json"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        url = f"http://127.0.0.1:{port}" + urllib.parse.quote(path, safe="/?&=")
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        assert status == expected, f"{method} {path}: {status} {text}"
        print(f"{method} {path}: {status}")
        return json.loads(text) if text else None

    def page(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"host": self.host})
        with urllib.request.urlopen(request, timeout=60) as response:
            print(f"GET {path}: {response.status}")
            return response.read().decode()


made = resources()
print(f"{len(made)} resources made")
add_routes(made)
provider = start_provider()
secret = boto3.client("secretsmanager").get_secret_value(SecretId=made["RootKeySecret"])["SecretString"]
assert len(secret) == 43, "as long as the template asks"
root = Api(made["Api"], f"bfk_root_{secret}")

Api(made["Api"], None).call("GET", "/integrations", expected=401)
Api(made["Api"], "bfk_root_wrong").call("GET", "/integrations", expected=403)
acme = root.call("POST", "/organizations", {"name": "Acme"}, 201)["id"]
schema = [{"key": "url", "type": "string"}, {"key": "api_key", "type": "secret"}]
root.call("POST", "/integrations", {
    "name": "Graph", "config_schema": schema, "defaults": {"url": "https://graph.example", "api_key": "sk"}}, 201)
root.call("PUT", f"/integrations/Graph/mappings/{acme}", {"entity_id": "tenant-1"}, 201)
client = {"client_id": "id", "client_secret": "cs", "token_url": f"{provider}/token"}
root.call("POST", "/connections?scope=global", {
    "name": "Graph", "flow": "client_credentials", "scopes": ["api"], **client}, 201)

resolved = root.call("GET", f"/integrations/Graph/resolve?scope={acme}")
assert resolved["config"] == {"url": "https://graph.example", "api_key": "sk"}, resolved
assert resolved["entity_id"] == "tenant-1", resolved
assert resolved["oauth"]["access_token"] == "at-1", resolved
again = root.call("GET", f"/integrations/Graph/resolve?scope={acme}")
assert again["oauth"]["access_token"] == "at-1" and Provider.asked == ["client_credentials"], "one is kept"

sealed = boto3.client("dynamodb").scan(TableName=made["DataTable"])["Items"]
assert not any("at-1" in str(item) or "'cs'" in str(item) for item in sealed), "nothing secret lies in clear"
assert boto3.client("dynamodb").scan(TableName=made["DataKeysTable"])["Count"] > 0

# A grant that is due at once: whoever comes first refreshes it, and here that is the schedule.
root.call("POST", "/connections?scope=global", {
    "name": "Halo", "flow": "authorization_code", "scopes": ["read"],
    "authorization_url": f"{provider}/authorize", **client}, 201)
root.call("POST", "/connections/Halo/import?scope=global", {"refresh_token": "rt-0"})
until = time.monotonic() + 100
while "refresh_token" not in Provider.asked and time.monotonic() < until:
    time.sleep(2)
assert "refresh_token" in Provider.asked, "the schedule did not fire, or its sweep found nothing"
until = time.monotonic() + 20
while not root.call("GET", "/connections/Halo?scope=global")["last_refresh_at"] and time.monotonic() < until:
    time.sleep(1)
token = root.call("GET", "/connections/Halo/token?scope=global")
assert token["generation"] == 2 and token["access_token"] == "at-2", token

lambda_client = boto3.client("lambda")
for function, event in [
        ("RefresherFunction", {"shards": {"first": 0, "last": 255}}), ("CleanerFunction", {}),
        ("ResealerFunction", {"older_than_days": 0}), ("CensusFunction", {})]:
    answer = lambda_client.invoke(FunctionName=made[function], Payload=json.dumps(event))
    report = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, report
    print(function, report)
token = root.call("GET", "/connections/Halo/token?scope=global")
assert token["access_token"] == "at-2", "what is sealed under a new data key reads as before"
assert "Sign in" in Api(made["Api"], None).page("/console/sign-in"), "the console is for people"
root.call("DELETE", f"/organizations/{acme}", expected=204)
root.call("GET", f"/integrations/Graph/mappings/{acme}", expected=404)


def audit_trail():
    """The lines of the trail, as the auditor's log group has them, beside those of Lambda itself."""
    pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=made["AuditLogs"])
    messages = [event["message"] for page in pages for event in page["events"]]
    return [json.loads(message) for message in messages if message.startswith("{")]


# What was done above is in the trail, delivered from the logs of the functions that did it.
done = {("authenticate", "refused"), ("organizations-create", "done"), ("integrations-create", "done"),
        ("mappings-put", "done"), ("connections-create", "done"), ("integrations-resolve", "done"),
        ("connections-import", "done"), ("connections-token", "done"), ("organizations-delete", "done")}
until = time.monotonic() + 30
while (trail := audit_trail()) is not None and time.monotonic() < until:
    if done <= {(line["act"], line["outcome"]) for line in trail}:
        break
    time.sleep(1)
found = [(line["act"], line["outcome"]) for line in trail]
assert done == set(found), found
assert all(line["target"] == "bifrost::audit" for line in trail), trail
assert [found.count((act, "done")) for act in ("connections-create", "integrations-resolve")] == [2, 2], found
print(len(trail), "lines in the audit trail")
print("all went well")
