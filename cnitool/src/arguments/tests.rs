use super::*;

fn read(line: &str) -> Result<Request, String> {
    parse(
        line.split(' ')
            .filter(|word| !word.is_empty())
            .map(OsString::from),
    )
}

fn run(line: &str) -> Arguments {
    match read(line) {
        Ok(Request::Run(arguments)) => arguments,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_generations_of_command_lines_are_read() {
    let plain = run("add mynet /run/netns/a");
    assert_eq!((plain.verb, plain.network.as_str()), (Verb::Add, "mynet"));
    assert_eq!(
        (plain.netns.as_deref(), plain.ifname),
        (Some("/run/netns/a"), None)
    );
    assert!(plain.undo && !plain.json);
    for line in [
        "-i net1 check mynet a",
        "check --ifname net1 mynet a",
        "check mynet a --ifname=net1",
        "check mynet -inet1 a",
    ] {
        assert_eq!(run(line).ifname.as_deref(), Some("net1"), "{line}");
    }
}

#[test]
fn the_namespace_is_optional_where_it_means_nothing() {
    for line in ["gc --keep-nothing mynet", "status mynet", "version mynet"] {
        assert_eq!(run(line).netns, None);
        assert_eq!(
            run(&format!("{line} /run/netns/a")).netns.as_deref(),
            Some("/run/netns/a")
        );
    }
    for verb in [Verb::Add, Verb::Check, Verb::Del] {
        let word = verb.word();
        for line in [word.to_owned(), format!("{word} mynet")] {
            let text = read(&line).unwrap_err();
            assert!(text.contains("<NETNS>"), "{text}");
            assert!(
                text.ends_with(&format!("\nMore: cnitool help {word}\n")),
                "{text}"
            );
        }
    }
    assert!(read("gc").unwrap_err().contains("<NETWORK>"));
}

#[test]
fn options_belong_to_their_commands() {
    assert_eq!(run("gc mynet --keep a --keep b/eth0").keep, ["a", "b/eth0"]);
    assert!(!run("add --no-undo mynet a").undo);
    assert!(run("add mynet a --json").json);
    assert!(!run("gc mynet --keep a").dry_run);
    assert!(run("gc mynet --dry-run").dry_run && run("gc mynet --keep a --dry-run").dry_run);
    assert!(run("gc mynet --keep-nothing").keep.is_empty());
    for (line, option) in [
        ("del mynet a --keep b", "--keep"),
        ("del mynet a --no-undo", "--no-undo"),
        ("add mynet a --bogus", "--bogus"),
        ("add mynet a -i", "--ifname"),
        ("gc mynet", "--keep-nothing"),
        ("gc mynet --keep a --keep-nothing", "--keep-nothing"),
    ] {
        let text = read(line).unwrap_err();
        assert!(
            text.starts_with("cnitool: ") && text.contains(option),
            "{text}"
        );
    }
}

#[test]
fn looks_at_the_node_need_no_network() {
    let query = |line: &str| match read(line) {
        Ok(Request::Query(query)) => query,
        other => panic!("{other:?}"),
    };
    let list = |network: Option<&str>, json| Query::List {
        network: network.map(str::to_owned),
        json,
    };
    assert_eq!(query("list"), list(None, false));
    assert_eq!(query("list mynet --json"), list(Some("mynet"), true));
    for (line, expected) in [
        ("show", Format::Text),
        ("--json show", Format::Json),
        ("show --dot", Format::Dot),
        ("show --svg", Format::Svg),
    ] {
        assert_eq!(
            query(line),
            Query::Show {
                network: None,
                format: expected
            }
        );
    }
    let explain = Query::Explain {
        container: "c1".to_owned(),
        json: true,
    };
    assert_eq!(query("explain c1 --json"), explain);
    assert!(read("explain").is_err() && read("show --dot --svg").is_err());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let unknown = read("ADD mynet a").unwrap_err();
    assert!(
        unknown.starts_with("cnitool: unrecognized subcommand 'ADD'\n"),
        "{unknown}"
    );
    assert!(unknown.ends_with("\nMore: cnitool --help\n"), "{unknown}");
    let superfluous = read("add mynet a eth1").unwrap_err();
    assert!(
        superfluous.contains("'eth1'") && superfluous.contains("--ifname"),
        "{superfluous}"
    );
    assert_eq!(
        read("-i eth1"),
        Err("cnitool: there is no command\nMore: cnitool --help\n".into())
    );
    let empty = parse(["add", "", "a"].into_iter().map(OsString::from));
    assert!(empty.unwrap_err().contains("<NETWORK>"));
}

#[test]
fn help_is_given_on_every_way_of_asking() {
    let help = |line: &str| match read(line) {
        Ok(Request::Help(text)) => text,
        other => panic!("{line}: {other:?}"),
    };
    let whole = CommandLine::command();
    let commands: Vec<&str> = whole
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    assert!(commands.len() > 8);
    for line in ["", "--help", "help"] {
        let text = help(line);
        for word in &commands {
            assert!(text.contains(&format!("\n  {word} ")), "{text}");
        }
        assert!(
            text.contains("NETCONFPATH") && text.contains("--ifname"),
            "{text}"
        );
    }
    for word in commands {
        let texts = [
            help(&format!("help {word}")),
            help(&format!("{word} --help")),
        ];
        let usage = format!("\nUsage: cnitool {word} ");
        assert!(
            texts
                .iter()
                .all(|text| text.contains(&usage) && text.contains("Example"))
        );
        let all = texts.concat() + &help("");
        for line in all.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
    assert!(read("help me").is_err());
    assert_eq!(read("--version"), Ok(Request::About));
    assert!(read("version").is_err());
}

#[test]
fn the_command_line_is_consistent() {
    CommandLine::command().debug_assert();
}
