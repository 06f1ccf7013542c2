"""Which pages are there for people? Beside the routes, because the OpenAPI document is one of them."""

from collections.abc import Mapping

from api.operations import Resource
from api.resources.docs import Docs, OpenApi, Problems

PAGES: Mapping[str, type[Resource]] = {
    "/openapi.json": OpenApi,
    "/docs": Docs,
    "/docs/{name}": Docs,
    "/problems": Problems,
    "/problems/{slug}": Problems,
}
"""Path → resource."""
