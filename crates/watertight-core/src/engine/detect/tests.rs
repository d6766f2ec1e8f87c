mod amazon;
mod cluster;
mod others;
mod platforms;
mod providers;
mod table;
