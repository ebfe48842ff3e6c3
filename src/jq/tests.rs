use super::*;

/// The outputs as JSON, or the error.
fn run(program: &str, input: &str) -> Result<Vec<String>, RunError> {
    let program: Program = program.parse().unwrap_or_else(|error: ProgramError| panic!("{program}: {error:?}"));
    on_own_stack(|| {
        let mut outputs = Vec::new();
        let input = Value::parse(input.as_bytes()).unwrap();
        program.run_within(&Budget::new(50_000, 0, &|| None), input, |output| {
            outputs.push(output);
            true
        })?;
        let text = |value: Value| {
            let mut text = Vec::new();
            value.write(&mut text)?;
            Ok(String::from_utf8(text).unwrap())
        };
        outputs.into_iter().map(text).collect()
    })
    .unwrap()
}

fn outputs(program: &str, input: &str) -> Vec<String> {
    run(program, input).unwrap_or_else(|error| panic!("{program}: {error}"))
}

#[test]
fn programs_do_what_jq_does() {
    let table: [(&str, &str, &[&str]); 22] = [
        (".", r#"{"b":1,"a":[null,true]}"#, &[r#"{"b":1,"a":[null,true]}"#]),
        (".a[] | select(.x > 1)", r#"{"a":[{"x":1},{"x":2}]}"#, &[r#"{"x":2}"#]),
        ("{id, n: (.name | ascii_upcase)}", r#"{"id":1,"name":"ab"}"#, &[r#"{"id":1,"n":"AB"}"#]),
        ("del(.a, .b.c) | .d = 1", r#"{"a":1,"b":{"c":2,"e":3}}"#, &[r#"{"b":{"e":3},"d":1}"#]),
        (".a |= map(. + 1)", r#"{"a":[1,2]}"#, &[r#"{"a":[2,3]}"#]),
        ("with_entries(select(.value != null))", r#"{"a":null,"b":1}"#, &[r#"{"b":1}"#]),
        ("(.. | strings) |= length", r#"{"a":["x",{"b":"yy"}]}"#, &[r#"{"a":[1,{"b":2}]}"#]),
        ("walk(if type == \"number\" then . * 2 else . end)", "[1,[2]]", &["[2,[4]]"]),
        (
            "[range(3)], [range(1; 3)], [range(5; 0; -2)], [limit(2; range(0; 5; 0))]",
            "null",
            &["[0,1,2]", "[1,2]", "[5,3,1]", "[0,0]"],
        ),
        ("[limit(3; repeat(1))], first(range(10)), [.[] | until(. > 9; . * 2)]", "[1,3]", &["[1,1,1]", "0", "[16,12]"]),
        ("reduce .[] as [$a, $b] (0; . + $a * $b)", "[[1,2],[3,4]]", &["14"]),
        ("[foreach .[] as $x (0; . + $x; [$x, .])]", "[1,2]", &["[[1,1],[2,3]]"]),
        (".a as {b: $x, $c} | \"\\($x)-\\($c)\"", r#"{"a":{"b":1,"c":"z"}}"#, &["\"1-z\""]),
        ("def f(x): x | . + 1; f(.a), (try error(\"no\") catch .)", r#"{"a":1}"#, &["2", "\"no\""]),
        ("label $out | .[] | if . > 1 then break $out else . end", "[1,2,3]", &["1"]),
        (".a.b?, .c // \"d\"", r#"{"a":1}"#, &["\"d\""]),
        ("test(\"^a.c$\"), (capture(\"(?<x>b)\") | .x), gsub(\"b\"; \"-\")", "\"abc\"", &["true", "\"b\"", "\"a-c\""]),
        (
            "@base64, @uri, @json, (@base64 | @base64d)",
            "\"a b\"",
            &["\"YSBi\"", "\"a%20b\"", "\"\\\"a b\\\"\"", "\"a b\""],
        ),
        (
            "fromdateiso8601, (strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime)",
            "\"2026-11-22T10:00:00Z\"",
            &["1795341600", "1795341600"],
        ),
        ("paths | join(\".\")", r#"{"a":{"b":1}}"#, &["\"a\"", "\"a.b\""]),
        (
            "group_by(.k) | map({k: .[0].k, n: length})",
            r#"[{"k":2},{"k":1},{"k":2}]"#,
            &[r#"[{"k":1,"n":1},{"k":2,"n":2}]"#],
        ),
        ("empty", "1", &[]),
    ];
    for (program, input, expected) in table {
        assert_eq!(outputs(program, input), expected, "{program}");
    }
}

#[test]
fn numbers_that_pass_through_keep_all_their_digits() {
    for number in
        ["9007199254740993", "-123456789012345678901234567890", "0.1000000000000000000000001", "1.50", "1e400", "12E-3"]
    {
        let record = format!(r#"{{"n":{number}}}"#);
        assert_eq!(outputs(".", &record), std::slice::from_ref(&record));
        assert_eq!(outputs(".m = .n | del(.n)", &record), [format!(r#"{{"m":{number}}}"#)]);
    }
    assert_eq!(outputs(". + 1", "9007199254740993"), ["9007199254740994"]);
    let bytes = Value::parse(b"\"\xff\"").unwrap();
    let mut text = Vec::new();
    bytes.write(&mut text).unwrap();
    assert_eq!(text, b"\"\xff\"");
}

#[test]
fn texts_that_jq_takes_for_numbers_become_numbers_of_json() {
    let texts = r#"["+0.5", "007.50", "00.5e1", "+1.0E-3", "-0.0", "+7", "12.50", " 8 "]"#;
    assert_eq!(outputs("map(tonumber)", texts), ["[0.5,7.50,0.5e1,1.0E-3,-0.0,7,12.50,8]"]);
    assert_eq!(outputs("{a: {b: (.[0] | tonumber), c: 1.50}}", texts), [r#"{"a":{"b":0.5,"c":1.50}}"#]);
}

#[test]
fn a_text_that_is_not_one_number_is_an_error_and_neither_several_nor_nothing() {
    for text in ["", " ", "1 2", "12 USD", "-007.50", "true", "x"] {
        let record = format!(r#"{{"n":"{text}","m":1}}"#);
        for program in [".n |= tonumber", "{n: (.n | tonumber)}"] {
            assert!(matches!(run(program, &record), Err(RunError::Failed(_))), "{program}: {text}");
        }
        assert_eq!(outputs("try (.n | tonumber) catch \"none\"", &record), ["\"none\""], "{text}");
    }
    assert_eq!(outputs("map(toboolean)", r#"["true", " false", true]"#), ["[true,false,true]"]);
}

#[test]
fn a_time_beyond_all_dates_is_an_error_and_no_other_date() {
    let in_seconds = [
        ("gmtime | mktime", "1700000000"),
        ("strftime(\"%Y\")", "\"2023\""),
        ("todate", "\"2023-11-14T22:13:20Z\""),
        ("gmtime[:6] | mktime", "1700000000"),
    ];
    for (program, result) in in_seconds {
        assert_eq!(outputs(program, "1700000000"), [result], "{program}");
        for number in ["1700000000000", "1700000000000000", "1700000000000000000", "18446744073709551617", "1.7e300"] {
            let error = run(program, number).unwrap_err();
            assert!(matches!(&error, RunError::Failed(_)), "{program}, {number}: {error}");
        }
    }
    let error =
        run("(. * 10000000000 % 10000000000000000000000 | . / 1 | floor), 1 | gmtime", "-900000000").unwrap_err();
    assert!(matches!(&error, RunError::Failed(_)), "{error}");
    assert!(run("mktime", "[2024,127,1,0,0,0]").unwrap_err().to_string().contains("cannot convert"));
}

#[test]
fn a_larger_record_has_more_steps() {
    assert_eq!((budget::steps_for(0), budget::steps_for(1_000)), (1_000_000, 1_100_000));
}

#[test]
fn a_program_that_would_go_on_for_ever_is_ended() {
    for program in [
        "def f: f; f",
        "def f: 1, f; f",
        "[repeat(1)]",
        "last(repeat(1))",
        "last(range(infinite))",
        "reduce range(infinite) as $x (0; 0)",
        "until(false; .)",
        "[recurse(.)]",
        "def f: try f catch f; f",
        "[repeat(try error(1) catch 2)] | length",
        "try [repeat(1)] catch 2",
        "[range(1000)] as $a | [$a[] | $a[] | $a[] | 1] | length",
        "[range(1000)] as $a | reduce ($a[] + $a[] + $a[]) as $x (0; 1)",
        "repeat(1)",
    ] {
        let error = run(program, "null").unwrap_err();
        assert!(matches!(error, RunError::Steps(50_000) | RunError::Depth), "{program}: {error:?}");
    }
    assert_eq!(run("def f: 1 + f; f", "1"), Err(RunError::Depth));
}

#[test]
fn outputs_that_are_combined_are_counted_even_where_none_comes_out() {
    let terms = |term: &str, by: &str| vec![term; 40].join(by);
    let fields: Vec<_> = (0..40).map(|field| format!("f{field}: (1, 2)")).collect();
    for program in [
        format!("{} - empty", terms("(1, 2)", " - ")),
        format!("{} + empty", terms("(1, 2)", " + ")),
        format!("{} * (1 - .x?)?", terms("(1, 2)", " * ")),
        format!("({}) < empty", terms("(1, 2)", " / ")),
        format!("{} and empty", terms("(true, true)", " and ")),
        format!("({} or false) // 3", terms("(false, false)", " or ")),
        format!("{{{}, z: empty}}", fields.join(", ")),
        format!("\"{}\\(empty)\"", terms("\\(1, 2)", "-")),
        format!(".{}[empty]?", terms("[0, 0]?", "")),
        format!("{} empty {}", terms("if (true, true) then", " "), terms("end", " ")),
        format!("[test({}; empty)]", terms("(\"a\", \"b\")", " - ")),
    ] {
        let error = run(&program, "null").unwrap_err();
        assert!(matches!(error, RunError::Steps(_) | RunError::Failed(_)), "{program}: {error:?}");
    }
    assert_eq!(outputs("[(1, 2) - (10, 20)]", "1"), ["[-9,-19,-8,-18]"]);
    assert_eq!(outputs(".a[(0, 1)] |= 5 | (.b, .c) = 2", r#"{"a":[1,2]}"#), [r#"{"a":[5,5],"b":2,"c":2}"#]);
}

#[test]
fn the_values_of_a_text_come_up_to_the_first_that_cannot_be_read() {
    assert_eq!(outputs("[fromjson]", r#""1 [2] \"x\"""#), [r#"[1,[2],"x"]"#]);
    assert_eq!(outputs("fromjson", r#"" ""#), Vec::<String>::new());
    assert_eq!(outputs("[.[] | try fromjson catch \"none\"]", r#"["1 2 x 3", "'x'"]"#), [r#"[1,2,"none","none"]"#]);
    assert_eq!(outputs("fromjson - 1 - .x? // 2", r#""'x'""#), ["2"]);
    let error = run("fromjson", r#""'x'""#).unwrap_err();
    assert!(error.to_string().contains("as JSON: byte offset 0: value expected"), "{error}");
    assert!(run("fromjson", "1").unwrap_err().to_string().contains("as string"));
}

#[test]
fn what_no_memory_could_hold_is_not_made() {
    for program in [
        "\"a\" * 1000000000000",
        "\"a\" * .n",
        ".n * \"ab\" | length",
        "\"a\" * 99999999999999999999999",
        ".s *= 1000000000000",
        "\"a\" | until(false; . + .)",
        "\"a\" | until(false; . += .)",
        "\"a\" | until(false; \"\\(.)\\(.)\")",
        "[0] | until(false; . + .)",
        "[1] | until(false; [.[], .[]] | add(., .))",
        "try (\"a\" * 1000000000000) catch 2",
        "\"\\\"\" | until(false; tojson)",
        "\"a\" | until(false; @base64)",
        "\"'\" | until(false; @sh)",
        "reduce range(60) as $i (1; [., .]) | tojson",
        "reduce range(60) as $i (1; [., .]) | tostring",
        "reduce range(60) as $i (1; [., .])",
        "reduce range(12000) as $i (0; [.])",
        "reduce range(12000) as $i (0; {a: .}) | tojson",
        "10000000000 | until(false; . * .)",
        "-10000000000 | until(false; . *= .)",
        "\"7\" * 10000000 | fromjson",
        "\"7\" * 10000000 | tonumber",
        "\"ab\" * 1000000 | split(\"\")",
        "\"ab\" * 2000000 | . / \"a\"",
        "\"ab\" * 2000000 | ./= \"a\"",
        "\"ab\" * 5000000 | indices(\"b\")",
        "\"ab\" * 5000000 | explode",
        "\"ab\" * 50000 | [match(\"\"; \"g\")]",
        "\"ab\" * 50000 | gsub(\"(?<a>a)(b)\"; .a)",
        "\"ab\" * 50000 | test(\"A\"; \"gi\")",
        "\"ab\" * 50000 | [splits(\"a\")]",
        "\"[\" + (\"{},\" * 1000000) + \"1]\" | fromjson",
    ] {
        let outputs = run(program, r#"{"n":1000000000000,"s":"x"}"#);
        // Outputs of millions of bytes are none to look at.
        let error = outputs.map(|outputs| outputs.len()).unwrap_err();
        assert!(matches!(error, RunError::Size(_) | RunError::Steps(_)), "{program}: {error:?}");
    }
    assert_eq!(
        outputs("(\"ab\" * 3), (\"a\" * -1), (\"a\" * 1000000 | length)", "1"),
        ["\"ababab\"", "null", "1000000"]
    );
    assert!(Value::parse("7".repeat(300_001).as_bytes()).is_err());
    assert_eq!(outputs("\"7\" * 1000 | tonumber | . * . | tostring | length", "1"), ["2000"]);
}

#[test]
fn texts_are_cut_and_searched_as_jq_does() {
    for (program, expected) in [
        ("split(\"\")", r#"["a","b","1","a","b"]"#),
        ("split(\"b\")", r#"["a","1a",""]"#),
        ("./\"x\"", r#"["ab1ab"]"#),
        ("[./(\"b\", \"1\")]", r#"[["a","1a",""],["ab","ab"]]"#),
        ("[(6, 9) / (2, 3)]", "[3.0,2.0,4.5,3.0]"),
        ("[6 / 4, (. / \"1\")[0]]", r#"[1.5,"ab"]"#),
        ("{n: 8} | .n /= 2", r#"{"n":4.0}"#),
        ("indices(\"ab\")", "[0,3]"),
        ("[indices(\"a\", \"b\")]", "[[0,3],[1,4]]"),
        ("[1, 2, 1] | indices(1)", "[0,2]"),
        ("index(\"b\"), rindex(\"b\") | [.]", "[1]"),
        ("gsub(\"(?<x>[ab]+)\"; \"<\" + .x + \">\")", r#""<ab>1<ab>""#),
        ("[match(\"B\"; \"gi\").offset]", "[1,4]"),
        ("[scan(\"a|b\")]", r#"["a","b","a","b"]"#),
        ("[test(\"a\", \"z\")]", "[true,false]"),
        ("[splits(\"a\", \"b\")]", r#"["","b1","b","a","1a",""]"#),
        ("[\"[1,{\\\"a\\\":[]}]\" | fromjson]", r#"[[1,{"a":[]}]]"#),
    ] {
        assert_eq!(outputs(program, "\"ab1ab\"")[0], expected, "{program}");
    }
    for program in ["test(\"(\"; \"g\")", "test(\"a\"; \"gq\")", "test(1)", "1 | test(\"a\"; \"g\")", "\"a\" / 1"] {
        assert!(matches!(run(program, "\"a\""), Err(RunError::Failed(_))), "{program}");
    }
}

#[test]
fn sums_and_texts_are_made_in_the_order_of_jaq() {
    assert_eq!(outputs("[(1, 2) + (10, 20)], [(1, 2) * (10, 20)]", "1"), ["[11,21,12,22]", "[10,20,20,40]"]);
    assert_eq!(outputs("[\"\\(1, 2)-\\(3, 4)\"]", "1"), [r#"["1-3","1-4","2-3","2-4"]"#]);
    assert_eq!(outputs(".a += (1, 2), ((.a, .b) *= 3)", r#"{"a":1,"b":2}"#).len(), 3);
    assert_eq!(
        outputs("@json \"x\\(.)y\", @base64 \"\\(.a)!\"", r#"{"a":"b"}"#),
        [r#""x{\"a\":\"b\"}y""#, "\"Yg==!\""]
    );
    assert_eq!(outputs("([.[] as $x | \"\\($x)\"] | join(\",\")), (map(. + 1) | add)", "[1,2]"), ["\"1,2\"", "5"]);
}

#[test]
fn who_watches_ends_a_program_between_two_steps() {
    let program: Program = "[repeat(1)]".parse().unwrap();
    let ended = |reason: RunError| {
        on_own_stack(|| program.run(Value::parse(b"null").unwrap(), usize::MAX, &|| Some(reason.clone()), |_| true))
    };
    assert_eq!(ended(RunError::Stopped), Some(Err(RunError::Stopped)));
    let looks = std::sync::atomic::AtomicUsize::new(0);
    let late =
        || (looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 2).then_some(RunError::Time(Duration::ZERO));
    let ended = on_own_stack(|| program.run(Value::parse(b"null").unwrap(), usize::MAX, &late, |_| true));
    assert_eq!(ended, Some(Err(RunError::Time(Duration::ZERO))));
}

#[test]
fn an_error_of_a_program_is_told_in_the_words_of_jq_and_shortened() {
    let failed = |program: &str, input: &str| run(program, input).unwrap_err().to_string();
    assert_eq!(failed(".a + 1", r#"{"a":"x"}"#), r#"cannot calculate "x" + 1"#);
    assert_eq!(failed(".a.b", r#"{"a":"x"}"#), r#"cannot index "x" with "b""#);
    assert_eq!(failed("error(\"no\\nway\")", "1"), "\"no\\nway\"");
    assert!(failed("error", &format!("\"{}\"", "x".repeat(1_000))).len() < 250);
}

#[test]
fn what_json_cannot_say_is_no_result() {
    for program in ["nan", "infinite", "[1, -infinite]", "{a: (1 / 0)}", "{(\"1\" | tonumber): 2}", "tobytes"] {
        let error = run(program, "\"x\"").unwrap_err();
        assert!(matches!(error, RunError::NoJson(_)), "{program}: {error:?}");
    }
}

#[test]
fn a_program_reaches_nothing_but_its_record() {
    for (program, offset) in
        [("env", 0), (". | $ENV.HOME", 4), ("[input]", 1), ("inputs", 0), ("now", 0), ("debug", 0), ("halt", 0)]
    {
        let error = program.parse::<Program>().unwrap_err();
        assert_eq!((error.offset, error.message.contains("nothing else")), (offset, true), "{program}: {error:?}");
    }
    for program in ["input_filename", "include \"x\"; .", "import \"a\" as a; .", "halt_error(1)", "localtime", "!tick"]
    {
        assert!(program.parse::<Program>().is_err(), "{program}");
    }
}

#[test]
fn a_text_that_is_no_program_is_told_with_its_place() {
    let error = |text: &str| text.parse::<Program>().unwrap_err();
    for (text, offset) in
        [("", 0), (".a |", 4), (".a | (", 6), ("{a: }", 4), (".a | foo(1)", 5), ("$x", 0), ("\"é\" | §", 7)]
    {
        assert_eq!(error(text).offset, offset, "{text}: {:?}", error(text));
    }
    assert_eq!(error(".a | foo(1)").message, "jq knows no `foo` of 1 arguments");
    assert_eq!(error(".a | fooo").message, "jq knows no filter `fooo`");
    assert_eq!(error("if . then").message, "no jq program: term expected at its end");
    assert_eq!(error(".a ]").message, "no jq program: token expected, found `]`");
}

#[test]
fn a_program_reads_back_from_its_text() {
    let program: Program = ".a | select(.b)".parse().unwrap();
    assert_eq!(serde_json::to_string(&program).unwrap(), "\".a | select(.b)\"");
    assert_eq!(format!("{program} {program:?}"), ".a | select(.b) Program(.a | select(.b))");
}

#[test]
fn outputs_are_taken_until_they_are_enough() {
    let program: Program = "repeat(1)".parse().unwrap();
    let taken = on_own_stack(|| {
        let mut taken = 0;
        program.run(Value::parse(b"null").unwrap(), usize::MAX, &|| None, |_| {
            taken += 1;
            taken < 3
        })?;
        Ok::<_, RunError>(taken)
    });
    assert_eq!(taken, Some(Ok(3)));
}
