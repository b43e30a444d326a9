# In a workflow
from bifrost import workflow, oauth
import logging
logger = logging.getLogger(__name__)
@workflow(name="check_token")
async def check_token(ctx):
    try:
        creds = await oauth.get_connection("HaloPSA")
        # Check expiration
        if creds.is_expired():
            logger.warning("Token is expired")
        else:
            logger.info("Token is valid")
            logger.info(f"Expires in: {creds.expires_in} seconds")
        # Check scope
        logger.info(f"Granted scopes: {creds.scopes}")
    except Exception as e:
        logger.error(f"Failed to get credentials: {str(e)}")
