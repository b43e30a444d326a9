# Some operations require specific licenses
# Example: Assigning E5 features when user has E3
# Check license before operation
from bifrost import workflow, oauth
import logging
logger = logging.getLogger(__name__)
@workflow(name="assign_e5_feature")
async def assign_e5_feature(ctx, user_id: str):
    # First verify user has E5 license
    graph_creds = await oauth.get_connection("microsoft-graph")
    # Make API call to get user licenses
    headers = {
        "Authorization": f"Bearer {graph_creds['access_token']}",
        "Content-Type": "application/json"
    }
    response = await ctx.http_get(
        f"https://graph.microsoft.com/v1.0/users/{user_id}",
        headers=headers
    )
    user = response.json()
    if "SPE_E5" not in user.get("assignedLicenses", []):
        raise Exception("User must have E5 license for this feature")
    # Safe to proceed with E5-only operations
