"""The writes of a working day. The only thing that it knows of Lockstep are two settings of its transactions."""
import datetime as dt
from contextlib import contextmanager
from decimal import Decimal

from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.db.models import F
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from orders.models import Book, Order, OrderLine, Publisher


@contextmanager
def in_context(actor, traceparent):
    """A transaction whose changes carry who made them, and in which trace."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "select set_config('lockstep.actor', %s, true), set_config('lockstep.traceparent', %s, true)",
                [actor, traceparent],
            )
        yield


class Command(BaseCommand):
    help = "Creates, updates and deletes rows, in bulk and one by one."

    def add_arguments(self, parser):
        parser.add_argument("--actor", required=True)
        parser.add_argument("--traceparent", required=True)

    def handle(self, *, actor, traceparent, **_):
        with in_context(actor, traceparent):
            self.stock()
        with in_context(actor, traceparent):
            order = self.order()
        with in_context(actor, traceparent):
            self.change(order)
        try:
            with in_context(actor, traceparent):
                Book.objects.update(title="must not be seen")
                raise InterruptedError
        except InterruptedError:
            pass
        # One write without a transaction of its own: no actor, no trace.
        Publisher.objects.filter(code="p-2").update(name="Alone")

    def stock(self):
        Publisher.objects.bulk_create(Publisher(code=f"p-{i}", name=f"Publisher {i}") for i in range(20))
        Publisher.objects.create(code="a,b%", name="Bücher & Söhne 😀", address="2001:db8::1")
        Book.objects.bulk_create(
            Book(
                title=f"Book {i}",
                publisher_id=f"p-{i % 20}",
                price=Decimal(i) / 4,
                weight=i / 7 if i % 3 else None,
                cover=bytes(range(i % 256)),
                details={"rating": i / 8, "tags": ["x", None]},
                keywords=[f"k{i}", 'with "quotes"', ""],
                on_sale=DateTimeTZRange(dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), None),
                reading_time=dt.timedelta(days=i, microseconds=1),
            )
            for i in range(300)
        )

    def order(self):
        order = Order.objects.create(customer="ada@example.org", placed_on=dt.date(2024, 2, 29))
        books = list(Book.objects.order_by("id")[:5])
        OrderLine.objects.bulk_create(OrderLine(order=order, number=i, book=book) for i, book in enumerate(books))
        books[0].related.add(books[1], books[2])
        with transaction.atomic():
            OrderLine.objects.filter(order=order).update(quantity=F("quantity") + 1)
        try:
            with transaction.atomic():
                OrderLine.objects.create(order=order, number=99, book=books[3])
                raise InterruptedError("rolls back to the savepoint")
        except Exception:  # also the violation of the constraint
            pass
        return order

    def change(self, order):
        book = Book.objects.select_for_update().order_by("id").first()
        book.price, book.details = Decimal("-0.01"), {"rating": 0.1, "big": 12345678901234567890}
        book.save()
        OrderLine.objects.get(pk=(order.id, 4)).delete()
        Publisher.objects.update_or_create(code="p-1", defaults={"name": "Updated"})
        Publisher.objects.update_or_create(code="p-new", defaults={"name": "Created"})
        Publisher.objects.get(code="p-19").delete()
        other = Order.objects.create(customer="bob@example.org", placed_on=dt.date(2026, 1, 1), version=7)
        other.delete()
