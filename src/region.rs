//! Where an address is: this provider's, another's in mainland China, or outside (DESIGN 2).

/// Ordered from the strictest to the mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Region {
    /// This provider's, or unknown: the gate fails closed.
    Own = 0,
    /// In mainland China, another provider's.
    OtherMainland = 1,
    /// Outside mainland China; Hong Kong, Macao and Taiwan too.
    Overseas = 2,
}
