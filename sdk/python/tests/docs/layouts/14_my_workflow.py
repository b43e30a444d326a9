from bifrost import workflow, oauth
@workflow(name="my_workflow")
async def my_workflow(ctx):
    # Token is automatically refreshed here if needed
    creds = await oauth.get_connection("HaloPSA")
    # creds.access_token is guaranteed to be fresh
