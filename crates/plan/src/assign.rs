//! Who gets which device: what is held stays, then as many groups as possible get one.

/// An assignment of groups to devices, both by position.
pub(crate) struct Assignment {
    device_of: Vec<Option<usize>>,
    group_of: Vec<Option<usize>>,
}

impl Assignment {
    /// Nobody has anything.
    pub(crate) fn new(groups: usize, devices: usize) -> Self {
        Self { device_of: vec![None; groups], group_of: vec![None; devices] }
    }

    /// Device of a group.
    pub(crate) fn device(&self, group: usize) -> Option<usize> {
        self.device_of[group]
    }

    /// Group on a device.
    pub(crate) fn group(&self, device: usize) -> Option<usize> {
        self.group_of[device]
    }

    /// Gives a free device to a group that has none.
    pub(crate) fn take(&mut self, group: usize, device: usize) {
        debug_assert!(self.group_of[device].is_none() && self.device_of[group].is_none());
        self.device_of[group] = Some(device);
        self.group_of[device] = Some(group);
    }

    /// Gives `group` the first free device of its list in `edges`. If there is none, moves those that `movable` allows to
    /// other devices of theirs, along the first chain that ends at a free one. Whoever has a device keeps one.
    pub(crate) fn place(&mut self, group: usize, edges: &[Vec<usize>], movable: &dyn Fn(usize) -> bool) -> bool {
        let mut seen = vec![false; self.group_of.len()];
        self.reach(group, edges, movable, &mut seen)
    }

    fn reach(
        &mut self,
        group: usize,
        edges: &[Vec<usize>],
        movable: &dyn Fn(usize) -> bool,
        seen: &mut [bool],
    ) -> bool {
        let free = edges[group].iter().copied().find(|d| self.group_of[*d].is_none());
        let found = free.or_else(|| {
            edges[group].iter().copied().find(|&device| {
                let Some(other) = self.group_of[device].filter(|o| movable(*o)) else { return false };
                !std::mem::replace(&mut seen[device], true) && self.reach(other, edges, movable, seen)
            })
        });
        if let Some(device) = found {
            if let Some(old) = self.device_of[group].filter(|old| self.group_of[*old] == Some(group)) {
                self.group_of[old] = None;
            }
            self.device_of[group] = Some(device);
            self.group_of[device] = Some(group);
        }
        found.is_some()
    }
}
