"""What an API behind API Gateway answers where schemathesis has another server in mind."""

import schemathesis
from schemathesis.core.failures import Failure


@schemathesis.check
def other_methods_are_not_found(ctx, response, case):
    """In place of `unsupported_method`, which wants 405: an HTTP API has routes, and says 404 where none fits."""
    scenario = getattr(case.meta and case.meta.phase.data, "scenario", None)
    if scenario is None or scenario.name != "UNSPECIFIED_HTTP_METHOD":
        return
    # Here `import` stands where other routes have an organization's id, and is none.
    if case.operation.path.endswith("/mappings/import") and response.status_code in (401, 403, 422):
        return
    # To HEAD there is no body.
    said = b"" if response.request.method == "HEAD" else b'{"message":"Not Found"}'
    if (response.status_code, response.content) != (404, said):
        message = f"{response.request.method} was answered {response.status_code}, not 404 as API Gateway does"
        raise Failure(operation=case.operation.label, title="Wrong answer to another method", message=message)
