"""Messages stay short however many names are known."""

from pimsim.errors import nearest


def test_a_close_name_is_suggested_alone() -> None:
    assert nearest("blocks.7.add", [f"blocks.{i}.add" for i in range(8)]) == (
        "; did you mean 'blocks.7.add'?"
    )


def test_of_many_unlike_names_a_few_are_listed() -> None:
    names = [f"tensor_{index:03}" for index in range(200)]
    message = nearest("xyz", names)
    assert message.startswith("; known: tensor_000, tensor_001, ")
    assert message.endswith("tensor_015 and 184 more")


def test_no_names_no_suggestion() -> None:
    assert nearest("xyz", []) == ""
