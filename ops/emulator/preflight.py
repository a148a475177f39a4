"""Let OPTIONS reach the function: MiniStack answers it with 403 if an API has no CORS configuration.

AWS answers a preflight itself only for an API that has one; otherwise OPTIONS is a method like any other, which an ANY
route hands on. Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from __future__ import annotations

from typing import Any

from ministack.services import apigateway


def install() -> None:
    """Hand OPTIONS past the branch that answers it, in a spelling that it does not know, and back."""
    execute, invoke = apigateway._handle_execute_in_scope, apigateway._invoke_lambda_proxy

    async def execute_in_scope(api: str, stage: str, path: str, method: str, *rest: Any) -> Any:
        if method == "OPTIONS" and not (apigateway._apis.get(api) or {}).get("corsConfiguration"):
            method = "options"
        return await execute(api, stage, path, method, *rest)

    async def invoke_lambda(
        integration: Any, api: str, stage: str, path: str, method: str, *rest: Any, **named: Any
    ) -> Any:
        return await invoke(
            integration, api, stage, path, method.upper() if method == "options" else method, *rest, **named
        )

    apigateway._handle_execute_in_scope = execute_in_scope
    apigateway._invoke_lambda_proxy = invoke_lambda
