"""Where settings come from, which source wins, and what an operator reads when one is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connector.settings.environment import ALIASES, environment_names
from connector.settings.model import Settings
from connector.settings.show import as_json, as_table
from connector.settings.sources import SettingsError, leaves, load

CREDENTIALS = {
    "ZEEBE_CLIENT_ID": "worker",
    "ZEEBE_CLIENT_SECRET": "hush-hush",
    "ZEEBE_AUTHORIZATION_SERVER_URL": "https://login.example.com/oauth/token",
}


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "worker.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_nothing_given_means_the_defaults() -> None:
    loaded = load({})
    assert loaded.settings == Settings(worker=loaded.settings.worker)
    assert loaded.sources == {}


def test_the_command_line_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "worker: {max_jobs: 1, lease: PT1M, name: from-file}")
    environ = {"SMTP_CONNECTOR_WORKER_MAX_JOBS": "2", "SMTP_CONNECTOR_WORKER_LEASE": "90"}
    loaded = load(environ, config=file, overrides={"worker.max_jobs": "3"})
    worker = loaded.settings.worker
    assert (worker.max_jobs, worker.lease, worker.name) == (3, timedelta(seconds=90), "from-file")
    assert loaded.sources == {
        "worker.max_jobs": "command line",
        "worker.lease": "SMTP_CONNECTOR_WORKER_LEASE",
        "worker.name": str(file),
    }


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "log: {level: debug}")
    assert load({"SMTP_CONNECTOR_CONFIG": str(file)}).settings.log.level == "debug"


def test_a_secret_file_gives_the_value_without_its_last_line_break(tmp_path: Path) -> None:
    secret = tmp_path / "client-secret"
    secret.write_text(" p w\n", encoding="utf-8")
    environ = {k: v for k, v in CREDENTIALS.items() if k != "ZEEBE_CLIENT_SECRET"}
    loaded = load({**environ, "ZEEBE_CLIENT_SECRET_FILE": str(secret)})
    assert loaded.settings.engine.client_secret is not None
    assert loaded.settings.engine.client_secret.get_secret_value() == " p w"
    assert loaded.sources["engine.client_secret"] == "ZEEBE_CLIENT_SECRET_FILE"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("mail.example.com", "mail.example.com"),
        ("Hé.Example", "xn--h-bga.example"),
        ("host-1", "host-1"),
        ("a." * 127 + "a", "a." * 127 + "a"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
    ],
)
def test_a_host_name_in_the_form_for_the_wire(given: str, name: str) -> None:
    settings = load({}, overrides={"smtp.helo_name": given, "message.message_id_domain": given}).settings
    assert (settings.smtp.helo_name, settings.message.message_id_domain) == (name, name)


def test_no_host_name_in_the_file_is_the_default(tmp_path: Path) -> None:
    file = write(tmp_path, "smtp: {helo_name: ''}")
    assert load({}, config=file).settings.smtp.helo_name is None


@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: alias.name)
def test_every_alias_leads_to_a_setting(alias: object) -> None:
    assert getattr(alias, "path") in dict(leaves())  # noqa: B009 - the parametrised value is untyped


def test_every_setting_has_an_environment_name_of_its_own() -> None:
    names = [environment_names(path)[0] for path, _ in leaves()]
    assert len(set(names)) == len(names)


def test_every_setting_is_described() -> None:
    assert [path for path, field in leaves() if not field.description] == []


@pytest.mark.parametrize(
    ("environ", "address", "tls"),
    [
        ({"ZEEBE_ADDRESS": "zeebe:26500"}, "zeebe:26500", None),
        ({"CAMUNDA_GRPC_ADDRESS": "grpc://zeebe:26500"}, "zeebe:26500", False),
        ({"ZEEBE_GRPC_ADDRESS": "https://zeebe:443/", "ZEEBE_ADDRESS": "zeebe:443"}, "zeebe:443", True),
        ({"ZEEBE_ADDRESS": "zeebe:26500", "ZEEBE_INSECURE_CONNECTION": "TRUE"}, "zeebe:26500", False),
        ({"ZEEBE_ADDRESS": "[::1]:26500", "CAMUNDA_INSECURE_CONNECTION": "false"}, "[::1]:26500", True),
    ],
)
def test_an_address_in_every_spelling(environ: dict[str, str], address: str, tls: bool | None) -> None:
    engine = load(environ).settings.engine
    assert (engine.address, engine.tls) == (address, tls)


def test_the_variables_that_the_saas_console_writes_agree() -> None:
    address = "c0ffee.bru-2.zeebe.camunda.io:443"
    environ = {
        **CREDENTIALS,
        "ZEEBE_ADDRESS": address,
        "ZEEBE_GRPC_ADDRESS": f"grpcs://{address}",
        "CAMUNDA_CLUSTER_ID": "c0ffee",
        "CAMUNDA_CLUSTER_REGION": "bru-2",
        "CAMUNDA_CLIENT_ID": "worker",
        "CAMUNDA_OAUTH_URL": CREDENTIALS["ZEEBE_AUTHORIZATION_SERVER_URL"],
    }
    engine = load(environ).settings.engine
    assert (engine.address, engine.cluster_id, engine.tls) == (address, "c0ffee", True)


FAULTS = {
    "two names contradict": (
        {"ZEEBE_ADDRESS": "a:1", "CAMUNDA_GRPC_ADDRESS": "b:1"},
        "ZEEBE_ADDRESS and CAMUNDA_GRPC_ADDRESS contradict each other: both set engine.address",
    ),
    "scheme and switch contradict": (
        {"ZEEBE_ADDRESS": "grpcs://a:1", "ZEEBE_INSECURE_CONNECTION": "true"},
        "ZEEBE_ADDRESS and ZEEBE_INSECURE_CONNECTION contradict each other: both set engine.tls",
    ),
    "address and cluster contradict": (
        {**CREDENTIALS, "ZEEBE_ADDRESS": "a:1", "CAMUNDA_CLUSTER_ID": "c", "CAMUNDA_CLUSTER_REGION": "r"},
        "address and cluster_id contradict each other: the cluster is c.r.zeebe.camunda.io:443",
    ),
    "value and file": (
        {"ZEEBE_ADDRESS": "a:1", "ZEEBE_ADDRESS_FILE": "/x"},
        "ZEEBE_ADDRESS and ZEEBE_ADDRESS_FILE are both set",
    ),
    "missing file": (
        {"ZEEBE_CLIENT_SECRET_FILE": "/no/such"},
        "ZEEBE_CLIENT_SECRET_FILE: cannot read /no/such: No such file or directory",
    ),
    "misspelt": (
        {"SMTP_CONNECTOR_WORKER_MAXJOBS": "1"},
        "SMTP_CONNECTOR_WORKER_MAXJOBS: no such setting; did you mean SMTP_CONNECTOR_WORKER_MAX_JOBS?",
    ),
    "no number": (
        {"SMTP_CONNECTOR_WORKER_MAX_JOBS": "many"},
        "worker.max_jobs (SMTP_CONNECTOR_WORKER_MAX_JOBS): expected a whole number",
    ),
    "no duration": (
        {"SMTP_CONNECTOR_WORKER_LEASE": "soon"},
        "(SMTP_CONNECTOR_WORKER_LEASE): expected seconds, as 30, or an ISO 8601 duration, as PT30S",
    ),
    "no time": ({"SMTP_CONNECTOR_WORKER_LEASE": "0"}, "expected a duration longer than zero"),
    "no zone": ({"SMTP_CONNECTOR_MESSAGE_TIME_ZONE": "Middle/Earth"}, "not an IANA time zone"),
    "no port": ({"ZEEBE_ADDRESS": "zeebe"}, "engine.address (ZEEBE_ADDRESS): expected host:port"),
    "odd scheme": ({"ZEEBE_ADDRESS": "ftp://zeebe:1"}, "engine.address (ZEEBE_ADDRESS): expected host:port"),
    "a mail server's port": ({"ZEEBE_ADDRESS": "smtp.example.com:587"}, "this is a mail server's address"),
    "a mail server's scheme": ({"ZEEBE_ADDRESS": "smtp://mail:2525"}, "this is a mail server's address"),
    "a web address": ({"ZEEBE_ADDRESS": "ftp://zeebe:8080/v2"}, "this is the address of an HTTP interface"),
    "a web address with http": (
        {"ZEEBE_ADDRESS": "http://zeebe:8080/v2"},
        "this is the address of an HTTP interface",
    ),
    "half a login": ({"ZEEBE_CLIENT_ID": "x"}, "client_id and client_secret must be set together"),
    "login in clear": (
        {**CREDENTIALS, "ZEEBE_INSECURE_CONNECTION": "true"},
        "client credentials are never sent without TLS",
    ),
    "login in the token endpoint": (
        {**CREDENTIALS, "ZEEBE_AUTHORIZATION_SERVER_URL": "https://u:hush-hush@login.example.com"},
        "engine.oauth_url (ZEEBE_AUTHORIZATION_SERVER_URL): must not contain a user name or password",
    ),
    "no host": ({"SMTP_CONNECTOR_ATTACHMENTS_URLS": "http://x/y"}, "attachments.urls"),
    "a file for the settings file": (
        {"SMTP_CONNECTOR_CONFIG_FILE": "/x.yaml"},
        "SMTP_CONNECTOR_CONFIG_FILE: no such setting",
    ),
    "missing bundle for the engine": (
        {"ZEEBE_CA_CERTIFICATE_PATH": "/no/such.pem"},
        "engine.ca_file (ZEEBE_CA_CERTIFICATE_PATH): cannot read /no/such.pem: No such file or directory",
    ),
    "missing bundle for mail servers": (
        {"SMTP_CONNECTOR_SMTP_CA_FILE": "/no/such.pem"},
        "smtp.ca_file (SMTP_CONNECTOR_SMTP_CA_FILE): cannot read /no/such.pem: No such file or directory",
    ),
    "two lines for EHLO": (
        {"SMTP_CONNECTOR_SMTP_HELO_NAME": "a\nb"},
        "smtp.helo_name (SMTP_CONNECTOR_SMTP_HELO_NAME): expected a host name of letters, digits",
    ),
    "two words for EHLO": ({"SMTP_CONNECTOR_SMTP_HELO_NAME": "my host"}, "expected a host name"),
    "an underscore in a host name": ({"SMTP_CONNECTOR_SMTP_HELO_NAME": "my_host"}, "expected a host name"),
    "an address without brackets": ({"SMTP_CONNECTOR_SMTP_HELO_NAME": "::1"}, "expected a host name"),
    "half a literal": ({"SMTP_CONNECTOR_SMTP_HELO_NAME": "[192.0.2.1"}, "expected a host name"),
    "a long host name": ({"SMTP_CONNECTOR_SMTP_HELO_NAME": "a." * 127 + "ab"}, "expected a host name"),
    "no domain for Message-ID": (
        {"SMTP_CONNECTOR_MESSAGE_MESSAGE_ID_DOMAIN": "a b<>"},
        "message.message_id_domain (SMTP_CONNECTOR_MESSAGE_MESSAGE_ID_DOMAIN): expected a host name",
    ),
    "half an address for health": (
        {"SMTP_CONNECTOR_HEALTH_LISTEN": "8090"},
        "health.listen (SMTP_CONNECTOR_HEALTH_LISTEN): expected host:port, as zeebe.example.com:26500",
    ),
    "unknown task type": ({"SMTP_CONNECTOR_WORKER_TASK_TYPES": "mail"}, "worker.task_types"),
}


@pytest.mark.parametrize(("environ", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_the_variable_that_has_it(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(environ)
    assert message in str(raised.value)


@pytest.mark.parametrize("section", ["engine", "accounts", "smtp.pool"])
def test_a_section_on_the_command_line_is_named_as_one(section: str) -> None:
    overrides = {"accounts.a.host": "h", section: "x"}
    with pytest.raises(SettingsError, match=f"^{section}: is a section of settings; name the setting in it$"):
        load({}, overrides=overrides)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wroker: {name: x}", "wroker: no such setting; did you mean worker"),
        ("worker: {nmae: x}", "worker.nmae: no such setting; did you mean worker.name?"),
        ("worker: 7", "worker: expected keys with values"),
        ("[1, 2]", "expected keys with values"),
        ("worker: {name: 'x", "not valid YAML at line 1"),
        ("worker: {max_jobs: 0}", "worker.max_jobs"),
        ("worker: {max_jobs: 1, max_jobs: 2}", "a key is repeated at line 1, column 23"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("log: {level: info}\0", "not valid YAML"),
    ],
)
def test_a_fault_in_the_file_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as raised:
        load({}, config=file)
    assert message in str(raised.value)
    assert str(file) in str(raised.value)


FAULTY = """\
log: {level: loud}
smtpp: {x: 1}
worker:
  max_job: 3
accounts:
  a: {host: x, from: a@x.example, tls: true}
"""


def test_all_unknown_keys_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    file = write(tmp_path, FAULTY)
    with pytest.raises(SettingsError) as raised:
        load({"SMTP_CONNECTOR_ACCOUNTS_DEFAULT_FROM": "x"}, config=file, overrides={"worker.max_job": "1"})
    assert str(raised.value).splitlines() == [
        f"{file}, line 2: smtpp: no such setting; did you mean smtp?",
        f"{file}, line 4: worker.max_job: no such setting; did you mean worker.max_jobs?",
        f"{file}, line 6: accounts.a.from: no such setting; did you mean accounts.a.address?",
        f"{file}, line 6: accounts.a.tls: no such setting; did you mean accounts.a.security?",
        (
            "SMTP_CONNECTOR_ACCOUNTS_DEFAULT_FROM: no such setting; did you mean "
            "SMTP_CONNECTOR_ACCOUNTS_DEFAULT_ADDRESS?"
        ),
        "worker.max_job: no such setting; did you mean worker.max_jobs?",
    ]


def test_a_fault_in_one_account_hides_no_other(tmp_path: Path) -> None:
    text = "accounts:\n  a: {host: x, username: u, display_name: A}\n  b: {host: x, port: 70000}\n"
    with pytest.raises(SettingsError) as raised:
        load({}, config=write(tmp_path, text))
    assert str(raised.value).splitlines() == [
        "accounts.a: display_name needs address",
        "accounts.a: username and password must be set together",
        f"accounts.b.port ({tmp_path / 'worker.yaml'}, line 3): expected at most 65535",
    ]


def test_faults_of_accounts_together_name_no_empty_path() -> None:
    given = {f"accounts.{name}.{key}": "x" for name in "ab" for key in ("host", "process_ids")}
    with pytest.raises(SettingsError, match=r"^the process id x is in process_ids of several accounts"):
        load({}, overrides=given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("worker: {name: [a]}", "expected text"),
        ("worker: {stream: perhaps}", "expected true or false"),
        ("worker: {lease: {a: 1}}", "expected seconds, as 30, or an ISO 8601 duration"),
        ("worker: {task_types: []}", "is empty; give one value at least"),
        ("worker: {max_jobs: 0}", "expected 1 or more"),
        ("worker: {max_jobs: 1.5}", "expected a whole number"),
        ("log: {level: loud}", "expected debug, info, warning or error"),
        ("attachments: {roots: 7}", "expected a list, as [one, two]"),
        ("smtp: {ca_file: 7}", "expected the path of a file"),
    ],
)
def test_a_fault_is_told_in_our_words(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load({}, config=write(tmp_path, text))
    assert message in str(raised.value)
    assert "nput should" not in str(raised.value)


@pytest.mark.parametrize("given", ["/a", '["/a"]', " /a , "])
def test_one_text_is_a_list(tmp_path: Path, given: str) -> None:
    file = write(tmp_path, f"attachments: {{roots: '{given}'}}")
    for loaded in (load({}, config=file), load({}, overrides={"attachments.roots": given})):
        assert loaded.settings.attachments.roots == (Path("/a"),)


def test_a_choice_has_any_case(tmp_path: Path) -> None:
    file = write(tmp_path, "log: {level: WARNING}\naccounts: {a: {host: x, security: STARTTLS}}")
    settings = load({"SMTP_CONNECTOR_LOG_FORMAT": "JSON"}, config=file).settings
    assert (settings.log.level, settings.log.format) == ("warning", "json")
    assert settings.accounts["a"].effective_port == 587


def test_an_empty_file_name_is_not_set(tmp_path: Path) -> None:
    file = write(tmp_path, "smtp: {ca_file: ''}\nsecrets: {directory: ''}\nledger: {path: ''}")
    settings = load({}, config=file).settings
    assert (settings.smtp.ca_file, settings.secrets.directory) == (None, None)
    assert settings.ledger.path == Settings().ledger.path


def test_a_directory_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"is a directory; name a file in it, as .*/ledger\.db"):
        load({}, overrides={"ledger.path": str(tmp_path)})


def test_a_scheme_in_the_file_sets_tls(tmp_path: Path) -> None:
    file = write(tmp_path, "engine: {address: 'grpcs://zeebe:443'}")
    engine = load({}, config=file).settings.engine
    assert (engine.address, engine.tls) == ("zeebe:443", True)
    engine = load({}, config=file, overrides={"engine.address": "other:26500"}).settings.engine
    assert (engine.address, engine.tls) == ("other:26500", None)


def test_a_scheme_that_contradicts_the_file_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path, "engine: {address: 'grpcs://zeebe:443', tls: false}")
    with pytest.raises(SettingsError, match=r"contradict each other: both set engine\.tls"):
        load({}, config=file)


@pytest.mark.parametrize("path", ["smtp.hosts", "attachments.urls"])
@pytest.mark.parametrize("entry", ["ada:hush-hush@mail.example", "ada:hush-hush"])
def test_a_list_of_hosts_never_repeats_a_password(path: str, entry: str) -> None:
    with pytest.raises(SettingsError, match=r"entry 2 (has a login|is neither a host)") as raised:
        load({}, overrides={path: f"good.example,{entry}"})
    assert "hush" not in str(raised.value)


def test_bound_hosts_never_repeat_a_password() -> None:
    with pytest.raises(SettingsError, match="PW: entry 1 has a login in it; write the host alone") as raised:
        load({}, overrides={"secrets.bind": '{"PW": ["ada:hush-hush@mail.example"]}'})
    assert "hush" not in str(raised.value)


def test_a_tab_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a tab stands at the beginning of the line; indent with blanks"):
        load({}, config=write(tmp_path, "log:\n\tlevel: info\n"))


def test_a_missing_settings_file_is_an_error() -> None:
    with pytest.raises(SettingsError, match="cannot read the settings file"):
        load({}, config=Path("/no/such.yaml"))


def test_an_unknown_name_on_the_command_line_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"worker\.job: no such setting"):
        load({}, overrides={"worker.job": "1"})


def test_what_kubernetes_says_about_a_service_of_our_name_is_no_setting() -> None:
    environ = {
        "SMTP_CONNECTOR_PORT": "tcp://10.0.0.1:80",
        "SMTP_CONNECTOR_SERVICE_HOST": "10.0.0.1",
        "SMTP_CONNECTOR_SERVICE_PORT_METRICS": "80",
        "SMTP_CONNECTOR_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert load(environ).sources == {}


def test_a_secret_never_shows(tmp_path: Path) -> None:
    loaded = load(CREDENTIALS)
    assert "hush-hush" not in as_table(loaded) + as_json(loaded) + repr(loaded) + str(loaded)
    for text in (
        "engine: {client_secret: [hush-hush]}",
        "engine: {client_secret: {a: 'hush-hush",
        "engine: {client_secret: *hush-hush}",
        "engine: {client_secret: !hush-hush x}",
    ):
        with pytest.raises(SettingsError) as raised:
            load({}, config=write(tmp_path, text))
        assert "hush-hush" not in str(raised.value)
        assert raised.value.__cause__ is None


def test_the_table_says_where_each_value_comes_from() -> None:
    lines = as_table(load({"ZEEBE_ADDRESS": "zeebe:26500"})).splitlines()
    assert next(line for line in lines if line.startswith("engine.address")).split() == [
        "engine.address",
        "zeebe:26500",
        "ZEEBE_ADDRESS",
    ]
    assert len(lines) == len(list(leaves())) + 1


def test_changed_settings_are_shown_alone() -> None:
    loaded = load({"ZEEBE_ADDRESS": "zeebe:26500"})
    assert [line.split()[0] for line in as_table(loaded, changed=True).splitlines()] == [
        "setting",
        "engine.address",
    ]


def test_a_reference_to_a_secret_is_shown_as_it_is_written() -> None:
    given = {"accounts.a.host": "x.example", "accounts.a.username": "u"}
    shown = as_table(load({}, overrides={**given, "accounts.a.password": "secrets.PW"}), changed=True)
    assert "secrets.PW" in shown
    for password in ("secrets.PW hush", "hush-hush", "{{secrets.PW}}hush"):
        shown = as_table(load({}, overrides={**given, "accounts.a.password": password}), changed=True)
        assert "**********" in shown
        assert "hush" not in shown


def test_a_kubernetes_service_for_health_sets_nothing() -> None:
    assert load({"SMTP_CONNECTOR_HEALTH_PORT": "tcp://10.0.0.1:8090"}).settings.health.listen is None
