//! What the rules do, case by case, and the laws that hold over any history.
