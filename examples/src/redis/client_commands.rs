//! `CLIENT`: <https://redis.io/docs/latest/commands/client/>.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use super::Outcome;
use super::call::{Call, Failure};
use super::client::Replies;
use super::clients::Card;
use super::connection::{check_word, set_name};
use crate::resp::parse_integer;

/// What it takes to describe a client, in units of work.
const LINE_WORK: usize = 100;

const SUBCOMMANDS: &[&str] = &[
    "GETNAME",
    "GETREDIR",
    "ID",
    "INFO",
    "KILL address",
    "KILL [ID id] [ADDR address] [TYPE type] [USER name] [MAXAGE seconds] [SKIPME yes | no]",
    "LIST [TYPE type] [ID id...]",
    "NO-EVICT ON | OFF",
    "NO-TOUCH ON | OFF",
    "REPLY ON | OFF | SKIP",
    "SETINFO LIB-NAME | LIB-VER value",
    "SETNAME name",
    "HELP",
];

/// `CLIENT subcommand...`
pub(super) fn client(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let subcommand = call.command[1].to_ascii_uppercase();
    let count = call.command.len();
    let arity = match subcommand.as_slice() {
        b"ID" | b"GETNAME" | b"INFO" | b"GETREDIR" => 2..=2,
        b"SETNAME" | b"NO-EVICT" | b"NO-TOUCH" | b"REPLY" => 3..=3,
        b"SETINFO" => 4..=4,
        b"KILL" => 3..=usize::MAX,
        b"LIST" => 2..=usize::MAX,
        _ => return call.help("CLIENT", SUBCOMMANDS),
    };
    if !arity.contains(&count) {
        let name = String::from_utf8_lossy(&subcommand).to_ascii_lowercase();
        return Err(Failure::arity(&format!("client|{name}")));
    }
    match subcommand.as_slice() {
        b"ID" => call.reply.integer(call.client.card().id as i64),
        b"GETNAME" => match &*call.client.card().state().name {
            [] => call.reply.null(),
            name => call.reply.bulk(name),
        },
        b"INFO" => call.reply.verbatim(format!("{}\n", call.client.card())),
        // Where the invalidations of a cache go: there are none.
        b"GETREDIR" => call.reply.integer(-1),
        b"SETNAME" => {
            set_name(call.client, &call.command[2])?;
            call.reply.ok();
        }
        b"NO-EVICT" | b"NO-TOUCH" => switch(call, &subcommand)?,
        b"REPLY" => replies(call)?,
        b"SETINFO" => set_info(call)?,
        b"KILL" => kill(call)?,
        _ => list(call)?,
    }
    Ok(())
}

/// `CLIENT NO-EVICT on | off` and `CLIENT NO-TOUCH on | off`: nothing is evicted here, so there is
/// nothing to do but to remember it.
fn switch(call: &mut Call<'_, '_>, subcommand: &[u8]) -> Result<(), Failure> {
    let on = match call.command[2].to_ascii_lowercase().as_slice() {
        b"on" => true,
        b"off" => false,
        _ => return Err(Failure::SYNTAX),
    };
    call.client.card().change(|state| match subcommand {
        b"NO-EVICT" => state.no_evict = on,
        _ => state.no_touch = on,
    });
    call.reply.ok();
    Ok(())
}

/// `CLIENT REPLY ON | OFF | SKIP`
fn replies(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let replies = match call.command[2].to_ascii_uppercase().as_slice() {
        b"ON" => Replies::On,
        b"OFF" => Replies::Off,
        b"SKIP" => Replies::Skip,
        _ => return Err(Failure::SYNTAX),
    };
    call.client.replies = replies;
    call.client.update();
    if replies == Replies::On {
        call.reply.ok();
    }
    Ok(())
}

/// `CLIENT SETINFO LIB-NAME | LIB-VER value`
fn set_info(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (attribute, value) = (call.command[2].to_ascii_uppercase(), &call.command[3]);
    match attribute.as_slice() {
        b"LIB-NAME" => {
            check_word("lib-name", value)?;
            call.client.card().change(|state| state.library = value.into());
        }
        b"LIB-VER" => {
            check_word("lib-ver", value)?;
            call.client.card().change(|state| state.library_version = value.into());
        }
        _ => {
            let name = String::from_utf8_lossy(&call.command[2]);
            return Err(Failure::owned(format!("ERR Unrecognized option '{name}'")));
        }
    }
    call.reply.ok();
    Ok(())
}

/// `CLIENT LIST [TYPE type] [ID id...]`
fn list(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let clients = &call.server().clients;
    let cards = match (call.command.get(2), call.command.len()) {
        (None, _) => clients.all(),
        (Some(option), 4) if option.eq_ignore_ascii_case(b"TYPE") => {
            let kind = kind(&call.command[3])?;
            clients.all().into_iter().filter(|card| card.kind() == kind).collect()
        }
        (Some(option), 4..) if option.eq_ignore_ascii_case(b"ID") => {
            // Each once: a client that is named often would make a reply of any length.
            let ids: Result<BTreeSet<u64>, _> = call.command.iter_from(3).map(id).collect();
            ids?.into_iter().filter_map(|id| clients.find(id)).collect()
        }
        _ => return Err(Failure::SYNTAX),
    };
    call.work(LINE_WORK * cards.len());
    let mut lines = String::new();
    for card in cards {
        let _ = writeln!(lines, "{card}");
    }
    call.reply.verbatim(lines);
    Ok(())
}

fn id(text: &[u8]) -> Result<u64, Failure> {
    let id = parse_integer(text).and_then(|id| u64::try_from(id).ok()).filter(|&id| id > 0);
    id.ok_or(Failure::text("ERR Invalid client ID"))
}

fn kind(text: &[u8]) -> Result<&'static str, Failure> {
    match text.to_ascii_lowercase().as_slice() {
        b"normal" => Ok("normal"),
        b"pubsub" => Ok("pubsub"),
        b"master" => Ok("master"),
        b"replica" | b"slave" => Ok("replica"),
        _ => {
            let text = String::from_utf8_lossy(text);
            Err(Failure::owned(format!("ERR Unknown client type '{text}'")))
        }
    }
}

/// Which clients are to be killed: all for which every test that was given holds.
#[derive(Default)]
struct Filter {
    id: Option<u64>,
    peer: Option<String>,
    kind: Option<&'static str>,
    user: Option<String>,
    min_age: Option<u64>,
    spares_me: bool,
}

impl Filter {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Failure> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut filter = Self { spares_me: true, ..Self::default() };
        if call.command.len() % 2 != 0 {
            return Err(Failure::SYNTAX);
        }
        for at in (2..call.command.len()).step_by(2) {
            let value = &call.command[at + 1];
            match call.command[at].to_ascii_uppercase().as_slice() {
                b"ID" => {
                    let message = "ERR client-id should be greater than 0";
                    filter.id = Some(id(value).map_err(|_| Failure::text(message))?);
                }
                b"ADDR" => filter.peer = Some(text(value)),
                b"TYPE" => filter.kind = Some(kind(value)?),
                b"USER" => filter.user = Some(text(value)),
                b"MAXAGE" => {
                    let age = parse_integer(value).and_then(|age| u64::try_from(age).ok());
                    filter.min_age = Some(age.ok_or(Failure::NOT_AN_INTEGER)?);
                }
                b"SKIPME" if value.eq_ignore_ascii_case(b"yes") => filter.spares_me = true,
                b"SKIPME" if value.eq_ignore_ascii_case(b"no") => filter.spares_me = false,
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(filter)
    }

    fn holds(&self, card: &Card) -> bool {
        self.id.is_none_or(|id| card.id == id)
            && self.peer.as_ref().is_none_or(|peer| card.peer() == *peer)
            && self.kind.is_none_or(|kind| card.kind() == kind)
            && self.user.as_ref().is_none_or(|user| user == "default")
            && self.min_age.is_none_or(|age| card.connected.elapsed().as_secs() >= age)
    }
}

/// `CLIENT KILL address` and `CLIENT KILL filter value...`
fn kill(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let is_old_form = call.command.len() == 3;
    let filter = if is_old_form {
        let peer = String::from_utf8_lossy(&call.command[2]).into_owned();
        Filter { peer: Some(peer), ..Filter::default() }
    } else {
        Filter::parse(call)?
    };
    let me = Arc::clone(call.client.card());
    let mut killed = 0;
    let cards = call.server().clients.all();
    call.work(LINE_WORK * cards.len());
    for card in cards {
        let is_me = card.id == me.id;
        if !filter.holds(&card) || (is_me && filter.spares_me) {
            continue;
        }
        killed += 1;
        if is_me {
            // After the reply.
            call.outcome = Outcome::Close;
        } else if let Some(place) = &card.place {
            // Fails only when it ends already.
            let _ = place.conn.close();
        }
    }
    match (is_old_form, killed) {
        (true, 0) => return Err(Failure::text("ERR No such client")),
        (true, _) => call.reply.ok(),
        (false, _) => call.reply.count(killed),
    }
    Ok(())
}
