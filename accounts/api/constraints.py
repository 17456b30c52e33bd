"""Rules about accounts that only the database can check."""

from todoproject.http import problems
from todoproject.http.constraints import Constraints, rule, state

CONSTRAINTS: Constraints = {
    "access_tokens_list_live": rule("#/list_id", "no-such-place", "There is no such list."),
    "users_email_shape": rule("#/email", "email", "This is not an e-mail address."),
    "idempotency_keys_most_of_account": state(problems.TOO_MANY_ANSWERS, problems.TOO_MANY_ANSWERS.description),
}
