//! A stand-in for an HTTP proxy: each tunnel leads to one server.

use std::{
    io::{BufRead, BufReader, Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

pub(crate) struct Tunnel {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    pub(crate) fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap().to_string(), Arc::<Mutex<Vec<String>>>::default());
        let (server, noted) = (server.to_owned(), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (server, noted) = (server.clone(), noted.clone());
                thread::spawn(move || serve(&stream, &server, &noted));
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Methods and targets of what was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Anything but `CONNECT` is noted and refused.
fn serve(client: &TcpStream, server: &str, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = BufReader::new(client).lines();
    let first = head.next().transpose()?.unwrap_or_default();
    let target = first.trim_end_matches(" HTTP/1.1").to_owned();
    let connects = target.starts_with("CONNECT ");
    asked.lock().unwrap().push(target);
    while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut back = client;
    if !connects {
        return back.write_all(b"HTTP/1.1 502 Refused\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    back.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let server = TcpStream::connect(server)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    copy(&mut &server, &mut back)?;
    back.shutdown(Shutdown::Write)
}
