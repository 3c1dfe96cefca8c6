"""Models of a small bookshop, as a team that uses Django declares them."""
import uuid

from django.contrib.postgres.fields import ArrayField, DateTimeRangeField
from django.db import models


class Publisher(models.Model):
    code = models.CharField(max_length=12, primary_key=True)
    name = models.TextField()
    address = models.GenericIPAddressField(null=True)


class Book(models.Model):
    title = models.CharField(max_length=200)
    publisher = models.ForeignKey(Publisher, on_delete=models.CASCADE)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    weight = models.FloatField(null=True)
    cover = models.BinaryField(null=True)
    details = models.JSONField(default=dict)
    keywords = ArrayField(models.CharField(max_length=30), default=list)
    on_sale = DateTimeRangeField(null=True)
    reading_time = models.DurationField(null=True)
    related = models.ManyToManyField("self")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["title"])]


class Order(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.EmailField()
    placed_on = models.DateField()
    version = models.PositiveIntegerField(default=1, help_text="edition of the order form")
    created_at = models.DateTimeField(auto_now_add=True)


class OrderLine(models.Model):
    pk = models.CompositePrimaryKey("order_id", "number")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    number = models.SmallIntegerField()
    book = models.ForeignKey(Book, on_delete=models.PROTECT)
    quantity = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "book"], name="one_line_per_book")]
