-- Takes: $1 ids of rows to change. Some rows start to match a replica's filter, others no longer match it.
update products
set stock = stock + 1, price = price + 1, status = case status when 'active' then 'archived' else 'active' end
where id = any ($1::uuid[])
