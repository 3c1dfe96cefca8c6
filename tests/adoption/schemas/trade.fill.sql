-- Rows for trade.sql. Numbers of rows stand between two at signs.
insert into trade."Categories" ("CategoryName", "Description", "Picture")
  select 'Category ' || i, case when i % 2 = 0 then 'Line 1' || chr(10) || 'Line 2' end, sha512(i::text::bytea)
  from generate_series(1, @categories@) i;
insert into trade."Customers"
  select upper(to_hex(i)), 'Company ' || i, 'Contact ' || i, case when i % 5 > 0 then 'País ' || i % 40 end,
    '(5) 555-' || i, ((i % 9000) / 7.0)::numeric(10, 2)::money, date '1990-01-01' + i % 9000
  from generate_series(1, @customers@) i;
insert into trade."CustomerDemographics" select 'Type ' || i, 'Description' from generate_series(1, @demographics@) i;
insert into trade."CustomerCustomerDemo"
  select upper(to_hex(i)), 'type ' || 1 + i % @demographics@ from generate_series(1, @customers@) i;
insert into trade."Employees"
  select i, 'Last ' || i, 'First', date '1970-01-01' - i, case when i % 3 = 0 then '\x00ff27' || sha256('e') end,
    case when i > 3 then 1 + i % 3 end, trade.timerange('08:00', time '16:00' + i % 4 * interval '1 hour'),
    array[['sql', 'level ' || i % 5], ['"C"', null]]
  from generate_series(1, @employees@) i;
insert into trade."Region" select i, 'Region ' || i from generate_series(1, @region@) i;
insert into trade."Territories" select 'T-' || i, 'Territory ' || i, 1 + i % @region@ from generate_series(1, @territories@) i;
insert into trade."EmployeeTerritories"
  select 1 + i % @employees@, 'T-' || 1 + i % @territories@ from generate_series(1, @territories@) i on conflict do nothing;
insert into trade."Suppliers" ("CompanyName", "HomePage", "Networks")
  select 'Supplier ' || i, case when i % 2 = 0 then '#https://example.org/' || i || '#' end,
    array['10.0.0.0/8', '2001:db8::/32']::cidr[] from generate_series(1, @suppliers@) i;
insert into trade."Shippers" ("CompanyName", "Days", "Cut-off")
  select 'Shipper ' || i, int4range(1, 1 + i), '17:30:00+02' from generate_series(1, @shippers@) i;
insert into trade."Products" ("ProductName", "SupplierID", "CategoryID", "QuantityPerUnit", "UnitPrice", "UnitsInStock",
    "Weight", "Discontinued")
  select 'Product ' || i, 1 + i % @suppliers@, 1 + i % @categories@, i % 48 || ' boxes', (i % 900 / 4.0)::numeric::money,
    i % 300, i / 7.0, i % 13 = 0
  from generate_series(1, @products@) i;
insert into trade."Orders" ("CustomerID", "EmployeeID", "OrderDate", "RequiredDate", "ShippedDate", "ShipVia", "Freight",
    "ShipName")
  select upper(to_hex(1 + i % @customers@)), 1 + i % @employees@, timestamp '2024-01-01' + i * interval '731 seconds',
    date '2024-02-01' + i % 700, case when i % 4 > 0 then timestamp '2024-01-05' + i * interval '731 seconds' end,
    1 + i % @shippers@, i / 13.0, 'Ship ' || i % 50
  from generate_series(1, @orders@) i;
insert into trade."Order Details"
  select 1 + i % @orders@, 1 + (i / @orders@ * 17 + i) % @products@, (i % 800 / 8.0)::numeric::money, 1 + i % 90,
    i % 4 * 0.05
  from generate_series(0, @details@ - 1) i on conflict do nothing;
insert into trade."order"
  select sha256(i::text::bytea), 'select ' || i, (enum_range(null::trade.warehouse))[1 + i % 4]
  from generate_series(1, @digests@) i;
insert into trade."Weird ""Name"", 100% sure"
  select case i % 4 when 0 then '' when 1 then 'a,b' when 2 then '50%2C' else 'é "q" \ ' || chr(128512) end,
    'it''s ' || i, '漢字 ' || i, i, '\' || i from generate_series(1, @weird@) i;
insert into trade.stock_movement (warehouse, moved_on, product_id, quantity)
  select (enum_range(null::trade.warehouse))[1 + i % 4], date '2025-06-01' + i % 400, 1 + i % @products@, i % 99 - 40
  from generate_series(1, @movements@) i;
insert into trade.exchange_rate
  select (array['EUR', 'USD', 'BRL', 'X'])[1 + i % 4], date '2000-01-01' + i / 4, i / 977.0,
    case when i % 3 = 0 then 'https://example.org/?day=' || i end from generate_series(0, @rates@ - 1) i;
insert into trade.price_step select i / 4.0 - 100, 'Step ' || i from generate_series(1, @steps@) i;
insert into trade.shift
  select timestamptz '2020-01-01' + i * interval '8 hours 1 microsecond', timestamp '2020-01-01' + i * interval '8 hours',
    interval '7 hours 30 minutes' * (i % 3) from generate_series(1, @shifts@) i;
insert into trade.local_slot
  select timestamp '2020-01-01' + i * interval '999 milliseconds', 'Slot ' || i from generate_series(1, @slots@) i;
insert into trade.opening_rule
  select w, h, '08:00', '24:00' from unnest(enum_range(null::trade.warehouse)) w, (values (true), (false)) v (h);
insert into trade.network
  select case when i % 2 = 0 then inet '10.0.0.0' + i else (inet '2001:db8::' + i)::text::inet end, 'Net ' || i,
    ('08:00:2b:01:02:' || lpad(to_hex(i % 256), 2, '0'))::macaddr, '08:00:2b:01:02:03:04:05'
  from generate_series(1, @networks@) i;
insert into trade.batch_code
  select to_hex(i), i::bit(17)::varbit, i::bit(8) from generate_series(1, @codes@) i;
insert into trade.queue_position select i, 'Ticket ' || i from generate_series(1, 50) i;
insert into trade.price_list select i, daterange('2026-01-01', '2026-02-01'), i from generate_series(1, 50) i;
