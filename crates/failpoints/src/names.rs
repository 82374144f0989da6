//! All points and mechanisms, each with one line of what it means. A test goes through each.

/// Where the process can be ended, along the life of a task.
pub const POINTS: &[(&str, &str)] = &[
    ("migrating", "the schema is about to be brought up to date"),
    ("inputs_stored", "the media of a create is in the asset storage, the task is not stored"),
    ("before_accept", "a create has been checked, nothing of it is stored"),
    ("before_commit", "the writer has made all changes of a transaction and has not committed it"),
    ("committed", "the writer has committed a transaction and told nobody"),
    ("accept_stored", "the task is on disk, its client has no answer"),
    ("create_answered", "a client asks how a task stands: it has had the answer to its create"),
    ("claimed", "tasks have been claimed, no step has been taken"),
    ("before_intent", "the account is chosen and its slot taken, the intent is not stored"),
    ("intent_stored", "the intent is stored, nothing has been sent"),
    ("connecting", "a connection outwards is about to be opened; the first is a submission's"),
    ("connected", "the connection is open, nothing has been written to it"),
    ("reply_headers", "the head of an answer of an upstream has come; the first is a submission's"),
    ("reply_read", "the whole answer has come"),
    ("before_running", "the upstream's id, or what a poll said, is known and not stored"),
    ("running_stored", "the upstream's id, or what a poll said, is stored"),
    ("before_refusal", "a submission was refused or never left, and that is not stored"),
    ("refusal_stored", "it is stored that a submission was refused or never left"),
    ("before_unknown", "the answer to a submission was lost, and that is not stored"),
    ("unknown_stored", "it is stored that the outcome of a submission is not known"),
    ("interrupted_found", "a task was found whose submission somebody else had begun"),
    ("spool_before_append", "an upstream's id could not be stored, and is about to go to the spool"),
    ("spool_after_append", "the id is in the spool"),
    ("poll_answered", "the answer to a poll has come, nothing of it is stored"),
    ("hint_stored", "a callback of an upstream is stored"),
    ("before_results", "where the results are is known and not stored"),
    ("results_stored", "where the results are is stored, none is copied"),
    ("result_copied", "a result is in the asset storage, the end is not stored"),
    ("before_end", "how a task ended is known and not stored"),
    ("end_stored", "the end of a task is stored with all that belongs to it, nobody knows of it"),
    ("end_shown", "the end of a task is stored, clients have not read it"),
    ("delivery_claimed", "a message to a client's server is claimed"),
    ("delivery_sending", "a message to a client's server is about to be sent"),
    ("delivery_answered", "the receiver has answered, the outcome is not stored"),
    ("delivery_settled", "the outcome of a try is stored"),
    ("retention_deleting", "what is past its time is about to be deleted"),
    ("draining", "the process has been asked to stop, steps may be under way"),
];

/// What keeps money safe, and can be taken away to show that the tests would notice.
pub const MECHANISMS: &[(&str, &str)] = &[
    ("one_live_attempt", "the database allows one possibly live attempt for a task"),
    ("intent_first", "the intent is stored before the submission is sent"),
    ("hold_unknown", "a submission whose outcome is not known is held, not made again"),
    ("end_compare_and_set", "a task is written only with the version that was read"),
    ("lease_epoch", "a task is written only under a claim that nobody has taken over"),
    ("idempotency_unique", "a key of a client belongs to one task"),
    ("budget_condition", "a task is accepted only if the budget has room, in the same transaction"),
    ("slot_in_transaction", "concurrent tasks are counted in the transaction that accepts one"),
    ("outbox_in_transaction", "a message is stored in the transaction that ends its task"),
    ("ledger_unique", "the ledger has one row of a kind for a task"),
    ("spool", "an upstream's id that cannot be stored is kept in a file"),
    ("inbox", "a callback of an upstream counts once"),
    ("callback_signature", "a callback of an upstream counts only with its signature"),
    ("dial_check", "the address that is dialled is vetted"),
    ("quarantine", "a task that crashes its worker again and again is put aside"),
    ("account_pinned", "a task is asked about with the credential that it was submitted with"),
    (
        "key_of_the_routes",
        "a request has the rights of its key in the version of the config whose routes it takes",
    ),
    ("lease_outlasts", "a submission is sent only under a lease that outlasts its answer"),
    ("hand_over", "a process that is told to stop begins no submission, and gives its work to others"),
    ("pass_on", "an upstream's id that came too late is told to the process that has taken the task over"),
    ("reconcile_slots", "slots are let go whose tasks ended in another process"),
];

/// Whether a table has that name.
pub(crate) fn is_known(table: &[(&str, &str)], name: &str) -> bool {
    table.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_can_stand_in_the_environment() {
        let mut names: Vec<&str> = POINTS.iter().chain(MECHANISMS).map(|(name, _)| *name).collect();
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
