"""Where does practice data come from? Two generated worlds, simulations both: people/ and shop/."""

from alicorn.worlds.people.searching.sessions import Engine
from alicorn.worlds.people.world import SIZES, PeopleWorld
from alicorn.worlds.people.world import VERTICAL as PEOPLE_VERTICAL
from alicorn.worlds.shop.world import SHOP_SIZES, ShopWorld
from alicorn.worlds.shop.world import VERTICAL as SHOP_VERTICAL

__all__ = ["PEOPLE_VERTICAL", "SHOP_SIZES", "SHOP_VERTICAL", "SIZES", "Engine", "PeopleWorld", "ShopWorld"]
