"""Words of the shop world: departments, their leaves with synonyms, styles, colours, materials.

All words are invented. A department is (name, median price, materials, styles, leaves); a leaf is a name and other
names for the same thing, which titles and queries use in place of it.
"""

from typing import NamedTuple


class Department(NamedTuple):
    """price: the median of its products, in the world's currency."""

    name: str
    price: float
    materials: tuple[str, ...]
    styles: tuple[str, ...]
    leaves: tuple[tuple[str, ...], ...]


COLOURS = ("black", "white", "grey", "blue", "red", "green", "beige", "pink", "brown", "yellow", "purple", "orange")
SIZES = ("small", "medium", "large", "xl")
PILE = (  # said of anything, to be found by more queries
    *("new", "sale", "original", "official", "premium", "quality", "gift", "present", "2026", "best", "popular", "hot"),
    *("free shipping", "limited", "edition", "set", "style", "classic", "modern", "trend", "unisex", "top"),
)


def _department(name: str, price: float, materials: str, styles: str, leaves: str) -> Department:
    """Words are parted by blanks, leaves by `;`, the names of a leaf by `/`."""
    named = tuple(tuple(name.strip() for name in leaf.split("/")) for leaf in leaves.split(";"))
    return Department(name, price, tuple(materials.split()), tuple(styles.split()), named)


DEPARTMENTS = (
    _department(
        "shoes",
        60,
        "leather canvas suede mesh rubber",
        "waterproof lightweight casual retro breathable cushioned slim outdoor",
        "running shoes/sneakers/trainers; hiking boots/trekking boots; sandals/flip flops; high heels/pumps/stilettos;"
        "loafers/slip ons/moccasins; rain boots/wellies; football boots/soccer cleats; slippers/house shoes",
    ),
    _department(
        "clothing",
        40,
        "cotton wool linen polyester denim silk",
        "slim oversized casual formal warm vintage striped floral",
        "t shirt/tee; jumper/sweater/pullover; trousers/pants/chinos; summer dress/sundress; rain jacket/raincoat;"
        "winter coat/parka; hoodie/hooded sweatshirt; socks/stockings",
    ),
    _department(
        "furniture",
        180,
        "oak pine steel glass rattan walnut",
        "foldable scandinavian industrial compact rustic adjustable stackable minimalist",
        "desk/writing table; couch/sofa/settee; bookcase/bookshelf; office chair/swivel chair; bed frame/bedstead;"
        "wardrobe/closet; coffee table/side table; chest of drawers/dresser",
    ),
    _department(
        "kitchen",
        35,
        "steel ceramic cast-iron glass bamboo silicone",
        "nonstick induction professional stackable compact dishwasher-safe electric enamel",
        "frying pan/skillet; saucepan/cooking pot; kettle/water boiler; chef knife/cooking knife; mug/coffee cup;"
        "toaster/bread toaster; lunch box/bento box; chopping board/cutting board",
    ),
    _department(
        "electronics",
        90,
        "aluminium plastic silicone carbon titanium",
        "wireless bluetooth portable rechargeable gaming compact foldable noise-cancelling",
        "headphones/headset; phone case/mobile cover; power bank/portable charger; loudspeaker/bluetooth speaker;"
        "keyboard/mechanical keyboard; computer mouse/gaming mouse; smart watch/fitness watch; webcam/web camera",
    ),
    _department(
        "sports",
        45,
        "nylon aluminium neoprene carbon rubber foam",
        "foldable professional lightweight indoor outdoor beginner adjustable antislip",
        "yoga mat/exercise mat; dumbbells/hand weights; tent/camping tent; sleeping bag/camping quilt;"
        "bicycle helmet/bike helmet; tennis racket/tennis racquet; skipping rope/jump rope;"
        "swim goggles/swimming glasses",
    ),
    _department(
        "toys",
        25,
        "wood plush plastic foam cardboard",
        "educational magnetic interactive musical montessori remote-controlled collectible creative",
        "building blocks/construction bricks; teddy bear/stuffed bear; jigsaw/puzzle; toy car/model car;"
        "board game/family game; doll/dolly; kite/flying toy; train set/toy railway",
    ),
    _department(
        "beauty",
        20,
        "shea charcoal aloe argan clay",
        "organic moisturizing vegan travel-size hypoallergenic anti-aging natural matte",
        "shampoo/hair wash; face cream/moisturizer; lipstick/lip colour; sunscreen/sun lotion; perfume/fragrance;"
        "nail polish/nail varnish; shaving razor/shaver; hair dryer/blow dryer",
    ),
    _department(
        "garden",
        50,
        "teak steel plastic terracotta bamboo",
        "weatherproof solar foldable frostproof compact decorative ergonomic vertical",
        "flower pot/planter; garden hose/water hose; lawn mower/grass cutter; parasol/sun umbrella;"
        "garden shears/pruning shears; bird house/nesting box; barbecue/bbq grill; hammock/garden swing",
    ),
    _department(
        "bags",
        55,
        "leather canvas nylon polyester straw",
        "waterproof foldable business travel antitheft vintage mini quilted",
        "backpack/rucksack; handbag/purse; suitcase/trolley/luggage; laptop bag/laptop sleeve; wallet/billfold;"
        "tote bag/shopper; belt bag/fanny pack/bum bag; gym bag/duffel",
    ),
)
