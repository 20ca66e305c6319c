//! Values by connection.

use std::fmt;

use crate::api::conn::Conn;
use crate::table::pages::Pages;
use crate::types::conn_id::ConnId;

/// Values by connection, for the connections of one loop.
///
/// A [`Handler::Context`](crate::Handler::Context) is lent to the callbacks of its own connection.
/// What other callbacks need as well, such as those of another connection,
/// [`message`](crate::Handler::message) or [`loop_timer`](crate::Handler::loop_timer), the handler
/// keeps in a map of its own: so a callback reaches the state of any connection of its loop, and
/// the connection itself by [`Conn::sibling`](crate::Conn::sibling) or
/// [`Loop::conn`](crate::Loop::conn).
///
/// Looking up a value hashes nothing: an id holds the place. A value stays until it is removed, so
/// [`closed`](crate::Handler::closed) and [`detached`](crate::Handler::detached) remove it; one
/// that was forgotten is never taken for that of a later connection, and is dropped when a
/// connection at the same place gets a value. Memory goes back when values do.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::{Action, CloseReason, Conn, ConnId, ConnMap, Handler};
///
/// /// A player who says the id of another one gives that one a point.
/// #[derive(Default)]
/// struct Game {
///     points: ConnMap<u32>,
/// }
///
/// impl Handler for Game {
///     type Context = ();
///
///     fn context(&mut self, conn: &Conn<'_>) {
///         self.points.insert(conn, 0);
///     }
///
///     fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
///         let is_named = |id: &ConnId| id.to_string().as_bytes() == input;
///         let Some(named) = self.points.ids().find(is_named) else { return Action::None };
///         if let (Some(points), Some(mut player)) =
///             (self.points.get_mut(named), conn.sibling(named))
///         {
///             *points += 1;
///             player.write(format!("{points} points\n").as_bytes());
///         }
///         Action::None
///     }
///
///     fn closed(&mut self, conn: &mut Conn<'_>, _: (), _: CloseReason) -> ControlFlow<()> {
///         self.points.remove(conn.id());
///         ControlFlow::Continue(())
///     }
/// }
/// ```
pub struct ConnMap<T> {
    pages: Pages<(ConnId, T)>,
    /// The loop of the connections, once there was one.
    loop_id: Option<usize>,
}

impl<T> ConnMap<T> {
    /// Creates a map without values, which takes no memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::ConnMap;
    ///
    /// let names: ConnMap<String> = ConnMap::new();
    /// assert!(names.is_empty());
    /// assert_eq!(names.len(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { pages: Pages::default(), loop_id: None }
    }

    /// Gives a connection a value, and returns the one that it had before.
    ///
    /// It takes the connection and not its id, which may be that of one that has ended.
    ///
    /// # Panics
    ///
    /// Panics when the map has had values for connections of another loop: each loop has its own.
    pub fn insert(&mut self, conn: &Conn<'_>, value: T) -> Option<T> {
        self.insert_by_id(conn.id(), value)
    }

    fn insert_by_id(&mut self, id: ConnId, value: T) -> Option<T> {
        let loop_id = *self.loop_id.get_or_insert(id.loop_id());
        assert_eq!(loop_id, id.loop_id(), "a ConnMap is for the connections of one loop");
        let index = id.key().index;
        let before = self.pages.remove(index);
        self.pages.insert(index, (id, value));
        before.filter(|&(before, _)| before == id).map(|(_, value)| value)
    }

    /// Returns the value of a connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{ConnId, ConnMap};
    ///
    /// /// Says how a player stands.
    /// fn standing(points: &ConnMap<u32>, player: ConnId) -> String {
    ///     match points.get(player) {
    ///         Some(own) => format!("{own} points, as one of {} players", points.len()),
    ///         None => "not a player".to_owned(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn get(&self, id: ConnId) -> Option<&T> {
        let (of, value) = self.pages.get(id.key().index)?;
        (*of == id).then_some(value)
    }

    /// Returns the value of a connection.
    ///
    /// # Examples
    ///
    /// See [`ConnMap`].
    #[must_use]
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        let (of, value) = self.pages.get_mut(id.key().index)?;
        (*of == id).then_some(value)
    }

    /// Returns the values of two connections, such as the two sides of a relay. If both are the
    /// same, only the first is there.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{ConnId, ConnMap};
    ///
    /// /// Moves money from one client to the other, if both are there.
    /// fn pay(accounts: &mut ConnMap<u32>, from: ConnId, to: ConnId, amount: u32) -> Option<()> {
    ///     let (Some(payer), Some(payee)) = accounts.get_pair_mut(from, to) else { return None };
    ///     (*payer, *payee) = (payer.checked_sub(amount)?, payee.checked_add(amount)?);
    ///     Some(())
    /// }
    /// ```
    #[must_use]
    pub fn get_pair_mut(
        &mut self,
        first: ConnId,
        second: ConnId,
    ) -> (Option<&mut T>, Option<&mut T>) {
        let (one, two) = (first.key().index, second.key().index);
        if one == two {
            // They are the same, or one of them has ended, and the other has its place.
            let of_first = self.get(first).is_some();
            return if of_first {
                (self.get_mut(first), None)
            } else {
                (None, self.get_mut(second))
            };
        }
        let (first_slot, second_slot) = self.pages.get_pair_mut(one, two);
        (value_of(first_slot, first), value_of(second_slot, second))
    }

    /// Takes the value of a connection out of the map.
    pub fn remove(&mut self, id: ConnId) -> Option<T> {
        self.get(id)?;
        self.pages.remove(id.key().index).map(|(_, value)| value)
    }

    /// Returns whether a connection has a value.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{ConnId, ConnMap};
    ///
    /// /// Forgets the invitations of those who play already.
    /// fn tidy_up(invited: &mut Vec<ConnId>, players: &ConnMap<u32>) {
    ///     invited.retain(|&id| !players.contains(id));
    /// }
    /// ```
    #[must_use]
    pub fn contains(&self, id: ConnId) -> bool {
        self.get(id).is_some()
    }

    /// Returns how many connections have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Returns whether no connection has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Returns the connections that have a value, in no particular order.
    pub fn ids(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.iter().map(|(id, _)| id)
    }

    /// Returns the connections and their values, in no particular order.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{ConnId, ConnMap};
    ///
    /// /// Finds the player with the most points.
    /// fn leader(points: &ConnMap<u32>) -> Option<ConnId> {
    ///     points.iter().max_by_key(|(_, points)| **points).map(|(id, _)| id)
    /// }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &T)> {
        self.pages.values().map(|(id, value)| (*id, value))
    }

    /// Returns the connections and their values, in no particular order.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::ConnMap;
    ///
    /// /// Begins another round, in which nobody has a point.
    /// fn begin_round(points: &mut ConnMap<u32>) {
    ///     for (_, points) in points.iter_mut() {
    ///         *points = 0;
    ///     }
    /// }
    /// ```
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ConnId, &mut T)> {
        self.pages.values_mut().map(|(id, value)| (*id, value))
    }
}

/// Returns the value of a slot, unless it is that of another connection.
fn value_of<T>(slot: Option<&mut (ConnId, T)>, id: ConnId) -> Option<&mut T> {
    slot.filter(|(of, _)| *of == id).map(|(_, value)| value)
}

impl<T> Default for ConnMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for ConnMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::conn_id::ConnKey;

    fn id(index: u32, generation: u32) -> ConnId {
        ConnId::new(3, ConnKey { index, generation })
    }

    #[test]
    fn a_value_is_that_of_its_connection_and_of_none_that_comes_later() {
        let mut map = ConnMap::new();
        assert_eq!(map.insert_by_id(id(5, 1), "first"), None);
        assert_eq!(map.insert_by_id(id(5, 1), "again"), Some("first"));
        assert_eq!(
            (map.get(id(5, 1)), map.get(id(5, 2)), map.get(id(4, 1))),
            (Some(&"again"), None, None)
        );
        assert_eq!(map.remove(id(5, 2)), None);
        assert_eq!(map.insert_by_id(id(5, 2), "later"), None, "what was forgotten is nobody's");
        assert_eq!((map.len(), map.contains(id(5, 1)), map.contains(id(5, 2))), (1, false, true));
        assert_eq!(map.get_mut(id(5, 1)), None);
        assert_eq!(map.remove(id(5, 2)), Some("later"));
        assert!(map.is_empty());
    }

    #[test]
    fn pairs_are_found_on_one_page_on_two_and_at_one_place() {
        let mut map = ConnMap::new();
        for index in [0, 1, 64, 200] {
            map.insert_by_id(id(index, 1), index);
        }
        for (one, two) in [(0, 1), (1, 0), (0, 64), (200, 1)] {
            let (first, second) = map.get_pair_mut(id(one, 1), id(two, 1));
            assert_eq!((first.copied(), second.copied()), (Some(one), Some(two)));
        }
        let (first, second) = map.get_pair_mut(id(1, 1), id(1, 2));
        assert_eq!((first.copied(), second.copied()), (Some(1), None));
        let (first, second) = map.get_pair_mut(id(1, 2), id(1, 1));
        assert_eq!((first.copied(), second.copied()), (None, Some(1)));
        let (first, second) = map.get_pair_mut(id(1, 1), id(1, 1));
        assert_eq!((first.copied(), second.copied()), (Some(1), None));
        let (first, second) = map.get_pair_mut(id(9_999, 1), id(64, 2));
        assert_eq!((first, second), (None, None));
    }

    #[test]
    fn all_are_visited() {
        let mut map: ConnMap<u32> = (0..300).fold(ConnMap::new(), |mut map, index| {
            map.insert_by_id(id(index, 1), index);
            map
        });
        map.iter_mut().for_each(|(_, value)| *value += 1);
        assert!(map.iter().all(|(id, value)| id.key().index + 1 == *value));
        assert_eq!(map.ids().count(), 300);
    }

    #[test]
    #[should_panic(expected = "a ConnMap is for the connections of one loop")]
    fn two_loops_do_not_mix() {
        let mut map = ConnMap::new();
        map.insert_by_id(id(1, 1), ());
        map.insert_by_id(ConnId::new(4, ConnKey { index: 2, generation: 1 }), ());
    }
}
