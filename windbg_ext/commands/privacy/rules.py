"""What could identify a person or a machine: one table, with the reason for each row.

A pattern is a regular expression over texts in lower case (`cased`: as they are), in which "\\0" stands before and
behind each text. Every repetition in it is bounded or ends at the first character that does not fit, so matching takes
time in proportion to the text. To add a rule, add a row; users add theirs as words and globs (`words.py`).
"""

from __future__ import annotations

from windbg_ext.values import NamedTuple


def begins(letters: str) -> str:
    """Return a pattern for where a word begins: none of these letters stands before it.

    The first two characters of a text do not count: a length may stand before it in memory, and look like letters.
    """
    return rf"(?:(?<![{letters}])|(?<=\0.)|(?<=\0..))"


BEGINS, CASED_BEGINS = begins("a-z0-9"), begins("A-Za-z0-9")
NAME = r"""[^\\/:*?"<>|\x00-\x1f]"""
"""A character of a file name."""
PATH = r"""[^:*?"<>|\x00-\x1f]"""
HOST = r"(?:[a-z0-9][a-z0-9-]{0,62}\.){0,6}[a-z][a-z0-9-]{2,62}"
TOP_LEVEL = (
    *("com", "net", "org", "edu", "gov", "mil", "int", "info", "biz", "eu", "de", "fr", "it", "es", "uk", "nl", "be"),
    *("ch", "at", "pl", "cz", "se", "no", "fi", "dk", "pt", "gr", "ie", "hu", "ro", "ru", "ua", "cn", "jp", "kr", "in"),
    *("br", "mx", "ar", "za", "au", "nz", "ca", "us", "io"),
    *("local", "localdomain", "lan", "corp", "internal", "intranet", "intra", "home", "ad"),
)
OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
NO_VERSION = "".join(
    f"(?<!{word}{between})"
    for word in ("version", "revision", r"\bver", r"\bbuild")
    for between in (" ", ": ", ":", "=", '="', r"\. ", r"\0", r"\0.", r"\0..")
)
"""A pattern for where no word before it calls it a version. In a version resource, that word is a text of its own."""


class Rule(NamedTuple):
    """What to look for, and why.

    key: in JSON; name: in reports; why: the reason; pattern: its group `value`, or else all of it, is what identifies;
    anchors: one of these is in every text that it fits, none if any text may fit; cased: the pattern is for texts as
    they are; ignored: a pattern for values that identify nobody; learned: the value is looked for everywhere else, too;
    whole_text: what is personal is the text that it is found in. Without a pattern, code finds it.
    """

    key: str
    name: str
    why: str
    pattern: str = ""
    anchors: tuple[str, ...] = ()
    cased: bool = False
    ignored: str = ""
    learned: bool = False
    whole_text: bool = False


EVERYONES = (
    r"public|default|default user|all users|defaultuser\d*|defaultapppool|administrator|system|systemprofile|"
    r"localservice|networkservice|local service|network service|wdagutilityaccount|guest|%.*|\.+"
)
"""Profiles and accounts that every Windows has."""
OF_WINDOWS = (
    r"(?:windows|winnt|program files(?: \(x86\))?|progra~\d|programdata[\\/]{1,2}(?:microsoft|package cache)|perflogs|"
    r"\$windows\.~[a-z]{2}|\$winreagent|\$extend|\$mft\w*|\$logfile|\$bitmap|\$secure|\$volume|recovery|boot|efi|"
    r"pagefile\.sys|hiberfil\.sys|swapfile\.sys|system volume information|dumpstack\.log\S*|"
    r"bootmgr|bootnxt|documents and settings|users)(?:[\\/]|$)"
)
"""What lies below one of these is Windows' own, or a program's. A name below \\Users has a rule of its own."""
OF_USERS = r"(?:documents and settings|users)[\\/]{1,2}" + NAME + r"+$"
OBJECT_FOLDERS = (
    r"(?:registry|device|driver|filesystem|basenamedobjects|kernelobjects|sessions|rpc control|global\?\?|\?\?|"
    r"objecttypes|security|_(?:sb|pr|gpe|tz|si)_?(?:\..*)?|systemroot|arcname|nls|callback|knowndlls\w*|windows|dosdevices|umdfcommunicationports|"
    r"reg(?:istry)?|lsa\w*|samples?)(?:[\\/]|$)"
)
"""Folders of the object manager: a name that begins with one of them is no path of a volume."""
VENDORS = (
    r"(?:.*\.)?(?:microsoft|windows|windowsupdate|msftncsi|msftconnecttest|live|office|office365|skype|xbox|xboxlive|"
    r"azure|azureedge|bing|msn|verisign|digicert|symantec|symcb|symcd|thawte|globalsign|entrust|sectigo|usertrust|comodoca|"
    r"godaddy|starfieldtech|letsencrypt|identrust|w3|xmlsoap|openxmlformats|xml|adobe|intel|nvidia|amd|realtek|qualcomm|"
    r"broadcom|marvell|example|schemas)\.(?:com|net|org|de)"
)
"""Domains of Windows, of makers of hardware and of authorities whose certificates drivers are signed with."""

PATH_OF_DRIVE = rf"{BEGINS}[a-z]:(?:\\{{1,2}}|/(?!/))(?P<value>(?:(?![a-z]:[\\/]){PATH}){{1,400}})"
PATH_OF_DEVICE = rf"\\device\\harddiskvolume\d{{1,4}}\\(?P<value>{PATH}{{1,400}})"
PATH_OF_FILE_OBJECT = (
    rf"\0\\(?=[^\0]{{7}})(?P<value>(?:{NAME}{{1,120}}\\){{0,20}}{NAME}{{1,120}}\.[a-z0-9]{{1,5}})(?=\0)"
)
SHARE = (
    rf"(?:{BEGINS}(?<![\\:])\\\\|\\unc\\|\\mup\\(?:;[^\\\0]{{1,80}}\\){{0,3}})"
    rf"(?P<value>[a-z0-9][a-z0-9._-]{{1,62}})\\{NAME}"
)

ENVIRONMENT = (
    *("username", "userprofile", "userdomain", "userdomain_roamingprofile", "userdnsdomain", "computername"),
    *("logonserver", "homepath", "homedrive", "homeshare", "appdata", "localappdata", "temp", "tmp", "onedrive"),
    *("onedriveconsumer", "onedrivecommercial", "clientname", "sessionname", "path", "psmodulepath", "pathext"),
    *("comspec", "systemdrive", "allusersprofile", "programdata", "public", "programfiles", "programw6432"),
    *("commonprogramfiles", "number_of_processors", "processor_architecture", "processor_identifier"),
)

TOKENS = (
    r"(?:AKIA|ASIA)[0-9A-Z]{16}",  # AWS
    r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}",
    r"glpat-[A-Za-z0-9_-]{20,128}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,250}",  # Slack
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,250}",  # Stripe
    r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,512}",  # Google
    r"eyJ[A-Za-z0-9_-]{10,300}\.eyJ[A-Za-z0-9_-]{10,8192}(?:\.[A-Za-z0-9_-]{0,4096})?",  # JSON web tokens
    r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{16,512}|hf_[A-Za-z0-9]{30,64}",
    r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}",  # SendGrid
    r"sk-(?:ant-|proj-)?[A-Za-z0-9_-]{24,256}",  # OpenAI, Anthropic
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^\0]{0,16384}",
    r"ssh-(?:rsa|dss|ed25519) AAAA[A-Za-z0-9+/=]{20,8192}",
    r"(?:[Bb]earer|[Bb]asic) [A-Za-z0-9+/=._~-]{16,8192}",
    r"(?:AccountKey|SharedAccessKey|SharedAccessSignature)=[A-Za-z0-9+/=%&-]{16,512}",  # Azure
    r"TlRMTVNTUAA[A-Za-z0-9+/=]{8,4096}",  # NTLM, in base 64
)
TOKEN_ANCHORS = (
    *("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "sk_", "rk_", "pk_"),
    *("aiza", "ya29.", "eyj", "npm_", "pypi-", "hf_", "sg.", "sk-", "private key-----", "ssh-", "bearer ", "basic "),
    *("accountkey=", "sharedaccess", "tlrmtvntuaa"),
)

RULES: tuple[Rule, ...] = (
    Rule(
        "user_name",
        "user name",
        "the name of a profile's folder is that of its user",
        rf"[\\/](?:users|documents and settings|docume~\d|home)[\\/]{{1,2}}(?P<value>{NAME}{{1,104}})",
        ("users", "documents and settings", "docume~", "home"),
        ignored=EVERYONES,
        learned=True,
    ),
    Rule(
        "user_name",
        "user name",
        "the environment of a process names its user",
        r"\0.{0,2}(?:username|clientname)=(?P<value>[^\0]{1,104})",
        ("username=", "clientname="),
        ignored=EVERYONES,
        learned=True,
    ),
    Rule(
        "computer_name",
        "computer or domain name",
        "the environment of a process names its computer and its domain",
        r"\0.{0,2}(?:computername|userdomain(?:_roamingprofile)?|userdnsdomain|logonserver)=\\{0,2}(?P<value>[^\0]{1,253})",
        ("computername=", "userdomain", "userdnsdomain=", "logonserver="),
        ignored=r"workgroup|nt authority|localhost|%.*",
        learned=True,
    ),
    Rule(
        "computer_name",
        "computer or domain name",
        "Windows' setup makes up such a name for a computer, and no other has it",
        CASED_BEGINS + r"(?:(?:DESKTOP|LAPTOP)-[A-Z0-9]{3,12}|WIN-[A-Z0-9]{11})",
        ("desktop-", "laptop-", "win-"),
        cased=True,
        learned=True,
    ),
    Rule(
        "computer_name",
        "computer or domain name",
        "a path on a share names the server",
        SHARE,
        ("\\\\", "\\unc\\", "\\mup\\"),
        ignored=r"localhost|device|\.|tsclient|.?",
        learned=True,
    ),
    Rule(
        "computer_name",
        "computer or domain name",
        "a host's full name tells whose network it is in",
        rf"{BEGINS}(?P<value>{HOST}\.(?:{'|'.join(TOP_LEVEL)}))(?![a-z0-9-]|\.[a-z0-9])",
        tuple(f".{name}" for name in TOP_LEVEL),
        ignored=VENDORS + r"|[a-z]{0,8}oem\d+\.in",
    ),
    Rule(
        "mail_address",
        "e-mail address",
        "an e-mail address or user principal name is that of a person",
        r"[^\s@\"<>(),;:\\\[\]=\x00-\x1f]{1,64}@(?:[a-z0-9][a-z0-9-]{0,62}\.){0,6}[a-z0-9][a-z0-9-]{1,62}\.[a-z]{2,24}",
        ("@",),
    ),
    Rule(
        "account",
        "account or machine SID",
        "the numbers behind S-1-5-21 are those of one machine or domain, the last one of one account",
        r"s-1-(?:5-21(?:-\d{1,10}){3,4}|12-1(?:-\d{1,10}){4})",
        ("s-1-5-21-", "s-1-12-1-"),
    ),
    Rule(
        "account",
        "account or machine SID",
        "the same as the kernel keeps it, in tokens and security descriptors",
    ),
    Rule(
        "hardware_number",
        "serial number, UUID or asset tag",
        "the firmware's SMBIOS tables tell one machine from all others",
        learned=True,
    ),
    Rule(
        "hardware_number",
        "serial number, UUID or asset tag",
        "a text that names a serial number",
        r"(?:serial ?(?:number|no)|asset ?tag)\"?\s{0,2}[:=]\s{0,2}\"?(?P<value>[a-z0-9][a-z0-9._/-]{3,62})",
        ("serial", "asset"),
        ignored=r".*%.*|default.*|unknown|none|null|to be.*",
    ),
    Rule(
        "mac_address",
        "MAC address",
        "it tells one network adapter from all others",
        begins("0-9a-f:-")
        + r"[0-9a-f]{2}(?P<by>[:-])(?:[0-9a-f]{2}(?P=by)){4}[0-9a-f]{2}(?!(?P=by)?[0-9a-f])|"
        + begins("0-9a-f.")
        + r"[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![0-9a-f.])",
        ("-", ":", "."),
        ignored=r"(?:00[:-]){5}00|(?:ff[:-]){5}ff|0000\.0000\.0000|\d{4}\.\d{4}\.\d{4}",
    ),
    Rule(
        "ip_address",
        "IP address",
        "it leads to a machine, or shows how a network is laid out",
        rf"{begins('0-9a-z.')}(?=\d{{1,3}}(?:\.\d{{1,3}}){{3}}){NO_VERSION}{OCTET}\.{OCTET}\.{OCTET}\.{OCTET}(?![0-9]|\.[0-9])",
        (".",),
        ignored=r"0+\..*|127\..*|255\..*|\d\.\d\.\d\.\d|\d+\.\d+\.0\.0|\d+\.0\.\d+\.\d",
    ),
    Rule(
        "ip_address",
        "IP address",
        "the same in IPv6",
        begins("0-9a-z:.") + r"(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![0-9a-f:])|"
        r"(?:fe80|f[cd][0-9a-f]{2}|2[0-9a-f]{3}):(?=:|[0-9a-f:]{0,30}::)(?:[0-9a-f]{0,4}:){1,6}[0-9a-f]{1,4}(?![0-9a-f:]))",
        (":",),
    ),
    Rule(
        "command_line",
        "command line",
        "arguments name files, hosts, users and sometimes passwords",
        r"""\.(?:exe|com|bat|cmd|ps1)"? {1,4}(?:[-/][a-z0-9?-]|["a-z0-9\\%{@])[^\0]{0,8192}""",
        (".exe ", '.exe" ', ".com ", '.com" ', ".bat ", '.bat" ', ".cmd ", '.cmd" ', ".ps1 ", '.ps1" '),
        whole_text=True,
    ),
    Rule(
        "environment",
        "environment block",
        "the environment of a process names its user, computer, domain and folders",
        rf"\0.{{0,2}}(?:{'|'.join(ENVIRONMENT)})=[^\0]+",
        tuple(f"{name}=" for name in ENVIRONMENT),
        whole_text=True,
    ),
    Rule(
        "file_name",
        "file name",
        "files outside of Windows' and programs' folders are a user's or a company's",
        PATH_OF_DRIVE,
        (":\\", ":/"),
        ignored=OF_WINDOWS + r".*|" + OF_USERS + r"|.*\.pdb|[\\/ .]*",
    ),
    Rule(
        "file_name",
        "file name",
        "the same, as drivers name them",
        PATH_OF_DEVICE,
        ("\\device\\harddiskvolume",),
        ignored=OF_WINDOWS + r".*",
    ),
    Rule(
        "file_name",
        "file name",
        "the same, as file objects name them, without the volume",
        PATH_OF_FILE_OBJECT,
        ignored=rf"(?:{OF_WINDOWS}|{OBJECT_FOLDERS}).*",
    ),
    Rule(
        "file_name",
        "file name",
        "what lies below the folder of a profile is its user's",
        r"[\\/](?:users|documents and settings)[\\/]{1,2}(?!(?:public|default)[\\/])"
        rf"{NAME}{{1,104}}[\\/]{PATH}{{1,400}}",
        ("users", "documents and settings"),
    ),
    Rule(
        "token",
        "token or key",
        "whoever has it can do what its owner can",
        CASED_BEGINS + r"(?:" + "|".join(TOKENS) + r")",
        TOKEN_ANCHORS,
        cased=True,
    ),
    Rule(
        "token",
        "token or key",
        "a text that names a password or key",
        r"(?:password|passwd|passphrase|pwd|api_?key|client_?secret|access_?token|refresh_?token|secret_?key)"
        r"[\"']?\s{0,2}[=:]\s{0,2}[\"']?(?P<value>[^\s\"'&;,<>\0]{4,512})",
        ("password", "passwd", "passphrase", "pwd", "api", "client", "token", "secret"),
        ignored=r"%.*|\*+|\{.*|.*\(.*|true|false|null|none|yes",
    ),
    Rule(
        "token",
        "token or key",
        "a URL with a user's name and password",
        r"[a-z][a-z0-9+.-]{1,20}://[^\s/@:\0]{1,100}:[^\s/@\0]{1,200}@",
        ("://",),
    ),
    Rule(
        "token",
        "token or key",
        "product keys of Windows, and recovery keys of BitLocker",
        begins("A-Z0-9-")
        + r"(?:[BCDFGHJKMNPQRTVWXY2346789]{5}-){4}[BCDFGHJKMNPQRTVWXY2346789]{5}(?![A-Z0-9-])|"
        + begins("0-9-")
        + r"(?:\d{6}-){7}\d{6}(?![0-9-])",
        ("-",),
        cased=True,
    ),
    Rule(
        "wireless_network",
        "name of a wireless network",
        "it tells where a machine has been",
        r"\b(?:ssid)\"?\s{0,2}[:=]\s{0,2}\"?(?P<value>[^\0\r\n\",;%]{1,32})",
        ("ssid",),
        ignored=r"[(\[{<].*|0x.*|\s*|null|true|false",
    ),
    Rule("own", "a word or glob of --rules", "whoever runs the command named it"),
    Rule("user_memory", "user-mode memory", "it is a program's: documents, messages, command lines and environment"),
    Rule("comment", "comment of the header", "whoever made the dump wrote it"),
    Rule("process_name", "process name", "it tells what a user was doing (left out with --scrub=strict)"),
    Rule("module_path", "path of a user-mode module", "it names folders; Windows itself writes base names"),
    Rule("firmware", "blob that identifies the machine", "firmware and drivers put it into the secondary data"),
)
"""All rules, in the order of reports."""


class Blob(NamedTuple):
    """A blob of secondary data that identifies a machine, whether a rule finds something in it or not, and why."""

    name: str
    why: str


WIFI_LOG = Blob("log of the Wi-Fi driver", "names of networks")
IDENTIFYING_BLOBS = {
    "bc5c008f-1e3a-44d7-988d-86f6884c6758": Blob("SMBIOS", "serial numbers, UUID, asset tags"),
    "2b88b710-1c93-4f7c-b06c-655ecc50decc": Blob("trace events", "networks, hosts, accounts, programs"),
    "0d910545-e694-4b15-870c-01625fb32a6f": Blob("triage data", "programs, events, numbers of devices"),
    "21ba7b61-05f8-41f1-9048-c09493dcfe38": WIFI_LOG,
    "21ba7b61-05f9-41f1-9048-c09493dcfe38": WIFI_LOG,
}
"""By GUID. SMBIOS: ntoseye `tagged.rs`; the others were measured: what texts such blobs of real small dumps hold."""


def rule(key: str) -> Rule:
    """Return the first rule with a key."""
    return next(found for found in RULES if found.key == key)
