"""What is there beside the routes of the API? Pages for people and metrics: the OpenAPI document is one of them."""

from collections.abc import Mapping

from api.operations import Resource
from api.resources.docs import Docs, OpenApi, Problems
from api.resources.health import Metrics

PAGES: Mapping[str, type[Resource]] = {
    "/metrics": Metrics,
    "/openapi.json": OpenApi,
    "/docs": Docs,
    "/docs/{name}": Docs,
    "/problems": Problems,
    "/problems/{slug}": Problems,
}
"""Path → resource."""
