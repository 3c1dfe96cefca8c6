-- Ends a statement of the gateway that would change a row and leave its version as it is. The capture triggers of the
-- row's table are disabled, or another trigger has set the version back. Replicas ignore a version that is not newer.
create function lockstep.reject_uncaptured(id uuid) returns jsonb language plpgsql as $$
begin
  raise exception 'the change of row % is not captured: its version did not rise', id
    using errcode = 'LS002', hint = 'Run lockstep capture, which repairs the triggers.';
end $$;
