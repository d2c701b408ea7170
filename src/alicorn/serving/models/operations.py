"""Models over HTTP, for administrators: list, load, check, shadow, switch, roll back, unload."""

from http import HTTPStatus
from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request

from alicorn.serving.api.messages import MAX_BATCH, Text
from alicorn.serving.api.operations import Operation
from alicorn.serving.models.model_check import Both, CheckLimits, ModelCheck
from alicorn.serving.models.served_models import ServedModel, ServedModels
from alicorn.serving.models.shadow import ShadowReport

_BYTES = 1 << 20
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class LoadRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """name: of a folder in the server's folder of models. key: the embedding, instead of the model's own. add: add it
    where the collection has none of this key; documents get their vectors as they are sent again."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    key: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    add: bool = False


class CheckRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """texts: searches of nobody, beside those of the log."""

    limits: CheckLimits = CheckLimits()
    texts: Annotated[list[Text], Meta(max_length=MAX_BATCH)] = []


class ShadowRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """share: of the searches by text that the model answers too, unseen; 0 ends it."""

    share: Annotated[float, Meta(ge=0, le=1)]


class ModelList(Struct, frozen=True):
    """In the order in which they were loaded."""

    models: list[ServedModel]


_SHOWN = ModelList(
    [
        ServedModel("people-v4", "9d6c1f0a", 64, ["previous"], False, None),
        ServedModel("people-v5", "51b0c2ee", 64, ["current"], True, ShadowReport(0.1, 200, 0, 0.81, 0.62, 0.60)),
    ]
)
_CHECKED = ModelCheck(
    *("people-v5", "51b0c2ee", "people-v4", 200, Both(20_000, 20_000), Both(0.962, 0.958), Both(0.60, 0.62), 0.81),
    *(140, Both(0.93, 0.95), (-0.01, 0.05), []),
)


def model_operations(models: ServedModels) -> list[Operation]:
    return [*_taking_over(models), *_loading(models)]  # /v1/models/rollback before /v1/models/{key}


def _loading(models: ServedModels) -> list[Operation]:
    def list_models(request: Request, body: None) -> ModelList:
        return ModelList(models.all())

    def load_model(request: Request, asked: LoadRequest) -> ModelList:
        return ModelList(models.load(asked.name, asked.key, asked.add))

    def unload_model(request: Request, body: None) -> None:
        models.unload(_key(request))

    return [
        Operation("GET", "/v1/models", "The models that are loaded", list_models, gives=ModelList, shows=_SHOWN),
        Operation(
            *("POST", "/v1/models", "Load a model beside the others", load_model),
            is_idempotent=False,
            gives=ModelList,
            shows=_SHOWN,
            takes=LoadRequest,
            example={"name": "people-2026-11", "key": "people-v5"},
            max_bytes=_BYTES,
            refused=(HTTPStatus.CONFLICT,),
        ),
        Operation(
            *("DELETE", "/v1/models/{key}", "Let go of a model that is not searched", unload_model),
            gives=None,
            refused=_REFUSED,
        ),
    ]


def _taking_over(models: ServedModels) -> list[Operation]:
    def compare_model(request: Request, asked: CheckRequest) -> ModelCheck:
        return models.check(_key(request), asked.limits, asked.texts)

    def shadow_model(request: Request, asked: ShadowRequest) -> ModelList:
        return ModelList(models.shadow(_key(request), asked.share))

    def switch_model(request: Request, body: None) -> ModelList:
        return ModelList(models.switch(_key(request)))

    def roll_back_model(request: Request, body: None) -> ModelList:
        return ModelList(models.roll_back())

    return [
        Operation(
            *(
                "POST",
                "/v1/models/{key}/check",
                "Compare a model with the current one on logged searches",
                compare_model,
            ),
            gives=ModelCheck,
            shows=_CHECKED,
            takes=CheckRequest,
            example={"limits": {"searches": 200}, "texts": ["john smith"]},
            max_bytes=_BYTES,
            refused=_REFUSED,
        ),
        Operation(
            *("POST", "/v1/models/{key}/shadow", "Let a model answer a share of the searches, unseen", shadow_model),
            gives=ModelList,
            shows=_SHOWN,
            takes=ShadowRequest,
            example={"share": 0.1},
            max_bytes=_BYTES,
            refused=_REFUSED,
        ),
        Operation(
            *(
                "POST",
                "/v1/models/{key}/switch",
                "Answer by this model from now on, if it passes its check",
                switch_model,
            ),
            gives=ModelList,
            shows=_SHOWN,
            refused=_REFUSED,
        ),
        Operation(
            *("POST", "/v1/models/rollback", "Back to the model before the last switch", roll_back_model),
            is_idempotent=False,
            gives=ModelList,
            shows=_SHOWN,
            refused=(HTTPStatus.CONFLICT,),
        ),
    ]


def _key(request: Request) -> str:
    key: str = request.path_params["key"]
    return key
