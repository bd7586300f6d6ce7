pub struct Finding;
pub struct Report;
