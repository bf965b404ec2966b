"""Who comes to the shop: customers, and a quarter of them its keepers."""

import re
from collections.abc import Sequence

from benchmarks.adoption.ledger import GONE
from benchmarks.adoption.person import PASSWORD, Person, Step
from benchmarks.adoption.sites.sizes import PRODUCTS

ROWS = {
    # Things: name and value.
    "review": "SELECT title, body FROM reviews_productreview",
    "wish list": "SELECT name, visibility FROM wishlists_wishlist",
    "page": "SELECT title, content FROM django_flatpage",
    "option": "SELECT name, help_text FROM catalogue_option",
    # Tallies: who, and how many.
    "view": """
        SELECT username, count(*) FROM analytics_userproductview JOIN auth_user u ON u.id = user_id
        GROUP BY username""",
    "search": """
        SELECT username, count(*) FROM analytics_usersearch JOIN auth_user u ON u.id = user_id
        GROUP BY username""",
    "wished": """
        SELECT username, sum(quantity) FROM wishlists_line JOIN wishlists_wishlist w ON w.id = wishlist_id
        JOIN auth_user u ON u.id = owner_id GROUP BY username""",
    "bought": """
        SELECT username, sum(quantity) FROM basket_line JOIN basket_basket b ON b.id = basket_id
        JOIN auth_user u ON u.id = owner_id GROUP BY username""",
}


class Visitor(Person):
    """What customers and keepers both do."""

    def product(self) -> tuple[int, str]:
        """Return the number of a product and the path of its page."""
        number = self.random.randint(1, PRODUCTS)
        return number, f"/catalogue/book-{number}_{number}/"

    async def view(self) -> None:
        """Look at a product: a GET that writes three rows."""
        _, path = self.product()
        await self.get("product page", path, tally="view")

    async def search(self) -> None:
        """Search: a GET that writes a row."""
        await self.get("search", f"/search/?q=Book+{self.random.randint(1, PRODUCTS)}", tally="search")


class Customer(Visitor):
    """Looks, searches, buys, reviews, keeps wish lists."""

    def habits(self) -> Sequence[tuple[int, Step]]:
        return [
            (40, self.view),
            (3, self.search),
            (15, self.buy),
            (10, self.look_at_basket),
            (8, self.review),
            (10, self.wish),
            (1, self.log_in),
        ]

    async def log_in(self) -> None:
        self.browser.cookies.clear()
        await self.get("log in, form", "/accounts/login/")
        fields = {
            "login-username": f"{self.name}@example.org",
            "login-password": PASSWORD,
            "login_submit": "Log In",
        }
        await self.post("log in", "/accounts/login/", fields)

    async def buy(self) -> None:
        """Put a product into the basket."""
        number, path = self.product()
        await self.get("product page", path, tally="view")
        await self.post("basket add", f"/basket/add/{number}/", {"quantity": "1"}, tally="bought")

    async def look_at_basket(self) -> None:
        await self.get("basket", "/basket/")

    async def review(self) -> None:
        """Review a product that this person has not reviewed yet."""
        name = self.new_name()
        number = self._made % PRODUCTS + 1
        path = f"/catalogue/book-{number}_{number}/reviews/add/"
        fields = {"title": name, "score": "5", "body": "Good."}
        await self.fill_in(
            "review", path, fields, thing=("review", name), value="Good.", action="/reviews/add/"
        )

    async def wish(self) -> None:
        """Make a wish list, make it public, then delete it or put products into it (GETs that write)."""
        name = self.new_name()
        thing = ("wish list", name)
        fields = {"name": name, "visibility": "Private"}
        made = await self.fill_in(
            "wish list add", "/accounts/wishlists/create/", fields, thing=thing, value="Private"
        )
        fields = {"visibility": "Public"}
        await self.fill_in("wish list change", f"{made.location}update/", fields, thing=thing, value="Public")
        if self.random.random() < 0.5:
            await self.fill_in("wish list delete", f"{made.location}delete/", {}, thing=thing, value=GONE)
            return
        for _ in range(3):
            path = f"{made.location}add/{self.product()[0]}/"
            await self.get("wish list put", path, tally="wished", expected=302)


class Keeper(Visitor):
    """Works in the shop's own dashboard and in Django's admin."""

    def habits(self) -> Sequence[tuple[int, Step]]:
        return [
            (25, self.view),
            (2, self.search),
            (15, self.edit_pages),
            (15, self.edit_options),
            (10, self.look_at_orders),
            (1, self.log_in),
        ]

    async def log_in(self) -> None:
        await self.admin_log_in()

    async def look_at_orders(self) -> None:
        await self.get("dashboard", "/dashboard/orders/")

    async def edit_options(self) -> None:
        await self.admin_work("catalogue/option", "option", "name", "help_text")

    async def edit_pages(self) -> None:
        """Add a page in the dashboard, change it, and delete it more often than not."""
        name = self.new_name()
        thing = ("page", name)
        fields = {"title": name, "url": f"/{name}/", "content": "first"}
        await self.fill_in("page add", "/dashboard/pages/create/", fields, thing=thing, value="first")
        found = await self.get("page list", f"/dashboard/pages/?title={name}")
        # Names of later pages may begin with this one's, and come after it.
        match = re.search(r"/dashboard/pages/update/(\d+)/", found.text)
        if match is None:
            return
        page = match[1]
        fields = {"content": "second"}
        path = f"/dashboard/pages/update/{page}/"
        await self.fill_in("page change", path, fields, thing=thing, value="second")
        if self.random.random() < 0.7:
            path = f"/dashboard/pages/delete/{page}/"
            await self.fill_in("page delete", path, {}, thing=thing, value=GONE)


def person_of(number: int) -> type[Person]:
    """Return what the client of this number is: FILL makes superusers of the same ones."""
    return Keeper if number % 4 == 0 else Customer
