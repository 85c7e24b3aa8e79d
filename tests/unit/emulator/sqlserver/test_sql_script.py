"""Batches are cut into statements where T-SQL begins a new one."""

import pytest

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.script import Condition, Statement, split


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("select 1 select 2", ["select", "select"]),
        ("select a, case when 1=1 then 2 else 3 end from t select 2", ["select", "select"]),
        ("insert into t select 1 union all select 2 update t set a = 1", ["insert", "update"]),
        ("with c as (select 1 a) select * from c; select 2", ["with", "select"]),
        ("update t set a = 1 set nocount on", ["update", "set"]),
        ("merge t using s on 1=1 when matched then update set a = 1;", ["merge"]),
        ("merge t using s on 1=1 when not matched then insert (a) values (1);", ["merge"]),
        ("drop table if exists t create table t (a int)", ["drop", "create"]),
        ("create view v as select 1 a", ["create"]),
        ("begin tran insert into t values (1) commit", ["begin", "insert", "commit"]),
        ("declare @a int = 1; set @a = 2 print @a", ["declare", "set", "print"]),
        ("select [select], 'select', \"set\" from t -- select\n/* select */", ["select"]),
        ("alter table t add constraint f foreign key (a) references u on delete cascade",
         ["alter"]),
        ("", []),
        (" ;; ", []),
    ],
)  # fmt: skip
def test_statements_need_no_semicolon(text: str, keywords: list[str]) -> None:
    """A keyword begins a statement only where it cannot go on with the last one."""
    assert [node.keyword for node in split(text) if isinstance(node, Statement)] == keywords


def test_if_else_and_blocks_become_a_tree() -> None:
    """Both branches are kept, with what belongs to them."""
    text = "if exists (select 1) begin select 1 select 2 end else select 3 select 4"
    condition, after = split(text)
    assert isinstance(condition, Condition)
    assert condition.test == "exists (select 1)"
    assert len(condition.then) == 2
    assert len(condition.otherwise) == 1
    assert isinstance(after, Statement)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("select 'open", 105),
        ("begin select 1", 102),
        ("goto elsewhere", 40000),
        ("begin try select 1 end try", 102),
        ("select 1 end", 102),
    ],
)
def test_what_cannot_be_cut_is_refused(text: str, number: int) -> None:
    """Syntax errors and unplayed statements have their numbers."""
    with pytest.raises(SqlError) as caught:
        split(text)
    assert caught.value.number == number


def test_hints_and_index_words_are_left_out() -> None:
    """TABLOCK and CLUSTERED mean nothing here."""
    (insert,) = split("insert into t with (tablock) (a) values (1)")
    (create,) = split("create table t (a int primary key nonclustered)")
    assert isinstance(insert, Statement)
    assert isinstance(create, Statement)
    assert "tablock" not in insert.text
    assert "nonclustered" not in create.text
