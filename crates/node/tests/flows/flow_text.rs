//! Flow files that several tests deploy.

/// Runs JavaScript on every JSON message of `input` and publishes the property `data` on `output`.
pub(crate) fn script_flow(id: &str, input: &str, code: &str, output: &str) -> String {
    chain(id, &[&subscribe(input), &script(code), &publish(output)])
}

/// The flow with so much time for each run of its scripts that a machine with other work does not end one that comes to
/// its end by itself.
pub(crate) fn with_time(text: &str) -> String {
    text.replacen("[modules]", "options.script.time_max_ms = 60000\n[modules]", 1)
}

/// Modules with type and settings, joined one after another as `s0`, `s1` and so on.
pub(crate) fn chain(id: &str, steps: &[&str]) -> String {
    let mut text = format!("id = \"{id}\"\n[modules]\n");
    for (number, step) in steps.iter().enumerate() {
        text += &format!("s{number} = {step}\n");
    }
    for number in 1..steps.len() {
        text += &format!("[[connections]]\nfrom = \"s{}\"\nto = \"s{number}\"\n", number - 1);
    }
    text
}

pub(crate) fn subscribe(topic: &str) -> String {
    format!(r#"{{ type = "mqtt-sub-broker", with = {{ topic = "{topic}", qos = 1 }} }}"#)
}

pub(crate) fn script(code: &str) -> String {
    format!(r#"{{ type = "script", with.code = '''{code}''' }}"#)
}

pub(crate) fn publish(topic: &str) -> String {
    format!(r#"{{ type = "mqtt-pub-broker", with = {{ topic = "{topic}", qos = 1 }} }}"#)
}
