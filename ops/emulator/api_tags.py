"""Make a changed tag of an API or a stage visible: MiniStack goes on showing those of its creation.

AWS answers GetApi and GetStage with the present tags. With the old ones, every plan after a changed tag wants to change
it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import apigateway


def install() -> None:
    """Let tagging and untagging reach what GetApi and GetStage answer with."""
    for name in ("_tag_resource", "_untag_resource"):
        setattr(apigateway, name, _then_show(getattr(apigateway, name)))


def _then_show(change: Callable[..., Any]) -> Callable[..., Any]:
    def changed(arn: str, what: Any) -> Any:
        answer = change(arn, what)
        match arn.partition("::/")[2].split("/"):
            case ["apis", api]:
                shown = apigateway._apis.get(api)
            case ["apis", api, "stages", stage]:
                shown = apigateway._stages.get(api, {}).get(stage)
            case _:
                shown = None
        if shown is not None:
            shown["tags"] = dict(apigateway._api_tags.get(arn, {}))
        return answer

    return changed
